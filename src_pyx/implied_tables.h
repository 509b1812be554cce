/* Coefficients for implied.h, low order first: written by tools/implied_tables.py.
 *
 * GC_BACH_IV_*  g(l) = (y / l)^2 on [0, 44], minimax (14, 14), error 1.4e-17.
 * GC_BACH_GUESS_*  the same function on [0, 700], minimax (5, 6), error 2.4e-6.
 * GC_RHO_NUMj/DENj  coefficient of N^j, a polynomial in X = x^2, in the numerator or
 *     denominator of rho(X, N); least squares on x <= 1, s <= 1, error of psi 5.3e-17.
 * GC_RHO_GUESS_*  the low-degree rho on x <= 3, s <= 3, error of psi 8.2e-6.
 */
#ifndef GAMMACORE_IMPLIED_TABLES_H
#define GAMMACORE_IMPLIED_TABLES_H

static const double GC_BACH_IV_NUM[15] = {
    0x1.45f306dc9c883p-3, 0x1.2e8fb74f7062ep-5, 0x1.ab6155ecf08e5p-7, 0x1.1893dc9ae2eaep-9,
    0x1.88d276403bf7ep-12, 0x1.6e22b89595ed3p-15, 0x1.3cf63bc70b85ep-18, 0x1.9d45dc87b6d05p-22,
    0x1.d3280d305fc55p-26, 0x1.9e708bf0293f1p-30, 0x1.2ec9eb39e3224p-34, 0x1.4733219354a9dp-39,
    0x1.247ac71e01bdcp-44, 0x1.bb9f75e7244cap-52, 0x1.294f0d74d9d9cp-70};

static const double GC_BACH_IV_DEN[15] = {
    0x1.0p+0, 0x1.db43277e3ad7bp-3, 0x1.6e6e811c1230dp-4, 0x1.f1d9d2666f44bp-7,
    0x1.7dfdd5cdfde22p-9, 0x1.7c1b829f8223cp-12, 0x1.6db5d3cdfb5b3p-15, 0x1.0686d9209b7f7p-18,
    0x1.505321fd88830p-22, 0x1.533f55e1b0739p-26, 0x1.228e726e15e5cp-30, 0x1.84538e3337848p-35,
    0x1.98d7278265c7ap-40, 0x1.38134a28e4e5cp-45, 0x1.bd20c31bc69cfp-53};

static const double GC_BACH_GUESS_NUM[6] = {
    0x1.45f2d48a44d8bp-3, 0x1.25509c6106b1bp-5, 0x1.808a907378140p-8, 0x1.1eb6aff4dd6e2p-11,
    0x1.c97d7788f0194p-17, 0x1.426911ebe1d44p-25};

static const double GC_BACH_GUESS_DEN[7] = {
    0x1.0p+0, 0x1.ccaa4ba387618p-3, 0x1.6c3ccf5d5b548p-5, 0x1.4b3281a092404p-8,
    0x1.621f89344ab3ap-12, 0x1.d9a1d6aa0ed61p-18, 0x1.42ae92f4b7f58p-26};

static const double GC_RHO_NUM0[5] = {
    0x1.55555555556a7p-5, 0x1.7968801d24cb1p-10, 0x1.c80ccee206147p-17, 0x1.81655257a75fdp-26,
    -0x1.4faafbc9e92a4p-34};

static const double GC_RHO_NUM1[4] = {
    -0x1.33a71e0bed626p-7, -0x1.00a4ffd7540fbp-12, -0x1.493eeaa04154bp-20, -0x1.a8c6d44b7c677p-31};

static const double GC_RHO_NUM2[3] = {
    0x1.17874d80b0fafp-11, 0x1.301e63447ebc9p-17, 0x1.600202bb59023p-28};

static const double GC_RHO_NUM3[2] = {
    -0x1.08cc5bc4ca409p-18, -0x1.353823444dc18p-26};

static const double GC_RHO_NUM4[1] = {
    -0x1.49113f25522c9p-26};

static const double GC_RHO_DEN0[5] = {
    0x1.0p+0, 0x1.5f52a45a22b52p-5, 0x1.210a693d9b0b9p-11, 0x1.0460b9982ec74p-19,
    -0x1.404cac42478adp-29};

static const double GC_RHO_DEN1[4] = {
    -0x1.4056f02288315p-2, -0x1.61bbd8540fab4p-7, -0x1.858ff2ad0c076p-14, -0x1.1e72a283ae2afp-23};

static const double GC_RHO_DEN2[3] = {
    0x1.f74d839baede0p-6, 0x1.9fb0e5c2c635bp-11, 0x1.c4142d162c25ap-19};

static const double GC_RHO_DEN3[2] = {
    -0x1.f4d808929c454p-11, -0x1.06e43ef0b8d41p-16};

static const double GC_RHO_DEN4[1] = {
    0x1.8422d000d5475p-19};

static const double GC_RHO_GUESS_NUM0[3] = {
    0x1.553d214aefcc0p-5, 0x1.8cd48591b40aap-12, 0x1.0e8dd5a4b7dd1p-19};

static const double GC_RHO_GUESS_NUM1[2] = {
    -0x1.80e4b7a9f1b6ep-8, -0x1.3ecb468d6f7cbp-18};

static const double GC_RHO_GUESS_NUM2[1] = {
    0x1.1ba49a509c5adp-14};

static const double GC_RHO_GUESS_DEN0[3] = {
    0x1.0p+0, 0x1.1a4b2acc88036p-6, 0x1.3e90fa0b70067p-14};

static const double GC_RHO_GUESS_DEN1[2] = {
    -0x1.d403559e6e7bcp-3, -0x1.04f3ba2381208p-9};

static const double GC_RHO_GUESS_DEN2[1] = {
    0x1.8c3979507923dp-7};

#endif
