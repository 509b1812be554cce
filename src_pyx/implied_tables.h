/* Coefficients for implied.h, low order first. Own fits; see docs/numerics.md.
 *
 * GC_BACH_IV_*  g(l) = (y / l)^2 on [0, 44], minimax (14, 14), error 1.4e-17.
 * GC_BACH_GUESS_*  the same function on [0, 700], minimax (5, 6), error 2.4e-6.
 * GC_RHO_NUMj/DENj  coefficient of N^j, a polynomial in X = x^2, in the numerator or
 *     denominator of rho(X, N); least squares on x <= 1, s <= 1, error of psi 1.6e-16.
 * GC_RHO_GUESS_*  the low-degree rho on x <= 3, s <= 3, error of psi 1.7e-5.
 */
#ifndef GAMMACORE_IMPLIED_TABLES_H
#define GAMMACORE_IMPLIED_TABLES_H

static const double GC_BACH_IV_NUM[15] = {
    0x1.45f306dc9c883p-3, 0x1.2e902b6be74a3p-5, 0x1.ab6174764e6f2p-7, 0x1.18940794c24c6p-9,
    0x1.88d25b89613dfp-12, 0x1.6e2278249ec26p-15, 0x1.3cf5c61b720d5p-18, 0x1.9d44f3acbcfb4p-22,
    0x1.d326c02188cadp-26, 0x1.9e6f2f057cf7ep-30, 0x1.2ec8d558815bdp-34, 0x1.4731b9cba6a7fp-39,
    0x1.247aaf524f990p-44, 0x1.bba0809ee88b6p-52, 0x1.2950d255e52b0p-70};

static const double GC_BACH_IV_DEN[15] = {
    0x1.0p+0, 0x1.db43dde14f386p-3, 0x1.6e6e9917d1073p-4, 0x1.f1da2bd3d2c9cp-7,
    0x1.7dfdc6969c566p-9, 0x1.7c1b5b18e8450p-12, 0x1.6db56a989ba61p-15, 0x1.06866238f56f6p-18,
    0x1.5052548796107p-22, 0x1.533e521fc6812p-26, 0x1.228d7bceb1837p-30, 0x1.8452189c0a3c8p-35,
    0x1.98d5b05c94b1ep-40, 0x1.38133cc083435p-45, 0x1.bd21cf79529f8p-53};

static const double GC_BACH_GUESS_NUM[6] = {
    0x1.45f2d4ada5672p-3, 0x1.2561fe978cffap-5, 0x1.809c2ba3c4ba3p-8, 0x1.1ec6b3efbd020p-11,
    0x1.c929031c97840p-17, 0x1.41f36c2f8ff6bp-25};

static const double GC_BACH_GUESS_DEN[7] = {
    0x1.0p+0, 0x1.ccc59da82f831p-3, 0x1.6c4aafd848cb5p-5, 0x1.4b44a1cd90d38p-8,
    0x1.6224f96fbd43fp-12, 0x1.d947c78f2dd5dp-18, 0x1.4238cad37db36p-26};

static const double GC_RHO_NUM0[5] = {
    0x1.555555555556fp-5, 0x1.7bcd13576568dp-10, 0x1.c850cc0d76dc3p-17, 0x1.46663f3c5d410p-26,
    -0x1.7e5033029c514p-34};

static const double GC_RHO_NUM1[4] = {
    -0x1.3471f8ac80bf8p-7, -0x1.02fc02498df27p-12, -0x1.4a662f26326f1p-20, -0x1.9342673b07d7ep-31};

static const double GC_RHO_NUM2[3] = {
    0x1.1a8d2aca8c0f7p-11, 0x1.344d96ab93cbbp-17, 0x1.71f12e0920b51p-28};

static const double GC_RHO_NUM3[2] = {
    -0x1.1e963ef927b24p-18, -0x1.34e1aef1580b1p-26};

static const double GC_RHO_NUM4[1] = {
    -0x1.352259141ce2fp-26};

static const double GC_RHO_DEN0[5] = {
    0x1.0p+0, 0x1.611e12c5d1be6p-5, 0x1.2218efd8c3fdfp-11, 0x1.ef5cbce25270ep-20,
    -0x1.a9952630721b3p-29};

static const double GC_RHO_DEN1[4] = {
    -0x1.40ef141af98bdp-2, -0x1.6446795487c58p-7, -0x1.87cd3d10ec50ap-14, -0x1.086091e8b067dp-23};

static const double GC_RHO_DEN2[3] = {
    0x1.fa66e8bc3e8c7p-6, 0x1.a41f262cd9ea9p-11, 0x1.c8b9064500305p-19};

static const double GC_RHO_DEN3[2] = {
    -0x1.febb52bc9b417p-11, -0x1.0b73f985f7d8bp-16};

static const double GC_RHO_DEN4[1] = {
    0x1.cd603e75cc589p-19};

static const double GC_RHO_GUESS_NUM0[3] = {
    0x1.55502e04bade4p-5, 0x1.052ce8646ba80p-12, 0x1.55730d8010a57p-19};

static const double GC_RHO_GUESS_NUM1[2] = {
    -0x1.79126d3e2fdaap-8, 0x1.255b6980286aep-19};

static const double GC_RHO_GUESS_NUM2[1] = {
    0x1.0313e11ecddf9p-14};

static const double GC_RHO_GUESS_DEN0[3] = {
    0x1.0p+0, 0x1.d2388fe79b0bfp-7, 0x1.0cbe8e406fb39p-14};

static const double GC_RHO_GUESS_DEN1[2] = {
    -0x1.ce06fc4225170p-3, -0x1.a0c381bdfa701p-10};

static const double GC_RHO_GUESS_DEN2[1] = {
    0x1.7ff95f7d08e4ap-7};

#endif
