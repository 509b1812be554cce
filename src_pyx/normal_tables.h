/* Coefficients for normal.h, low order first: written by tools/normal_tables.py.
 *
 * All coefficients of the Mills and Bachelier rationals are positive, so evaluating them
 * on y >= 0 cannot cancel.
 */
#ifndef GAMMACORE_NORMAL_TABLES_H
#define GAMMACORE_NORMAL_TABLES_H

/* R(y) = (1 - N(y)) / phi(y) on [0, 40], degree (9, 10), relative error 5.4e-17. */
static const double GC_MILLS_NUM[10] = {
    0x1.40d931ff62705p+0, 0x1.f1a2fc5b5892fp+0, 0x1.7dc8049923055p+0, 0x1.7429856ddedb1p-1,
    0x1.f70bdccb31b5bp-3, 0x1.e6e75eaf4f3e4p-5, 0x1.5171ad3379111p-7, 0x1.440ebf3302a44p-10,
    0x1.8a4cda268c23dp-14, 0x1.d5f1a590bc90fp-19};

static const double GC_MILLS_DEN[11] = {
    0x1.0p+0, 0x1.2ca853d1f9933p+1, 0x1.4832deb89bc70p+1, 0x1.b7a114ba40b49p+0,
    0x1.91588b639b6f0p-1, 0x1.05e0317260128p-2, 0x1.f0f92553827dcp-5, 0x1.548646e1f5e23p-7,
    0x1.44f9b8069ce32p-10, 0x1.8a4cda2668985p-14, 0x1.d5f1a590c1fccp-19};

/* M(y) = 1 - y R(y) on [0, 40], degree (9, 11), relative error 7.9e-17. */
static const double GC_BACHELIER_NUM[10] = {
    0x1.0p+0, 0x1.4a1eda58717d8p+0, 0x1.b09657b6bfa87p-1, 0x1.6f9c770130148p-2,
    0x1.b8ddbd1666298p-4, 0x1.808f015043e57p-6, 0x1.e74c905544658p-9, 0x1.b1c1d25b73d47p-12,
    0x1.f03a1c0fd8a88p-16, 0x1.1ae051c609f04p-20};

static const double GC_BACHELIER_DEN[12] = {
    0x1.0p+0, 0x1.457c062be9f93p+1, 0x1.8414c357402f2p+1, 0x1.1f110ac5dd16ap+1,
    0x1.258fe32b1d0adp+0, 0x1.b53854718d91bp-2, 0x1.e5d2d0ff1edd2p-4, 0x1.94c992a7c69a2p-6,
    0x1.f2edece44a72ep-9, 0x1.b51273541ba87p-12, 0x1.f03a1c0f51175p-16, 0x1.1ae051c613af5p-20};

/* L(z) = (2 artanh(f)/f - 2) / z, z = f^2 <= 0.0295, error of the logarithm 4.6e-18. */
static const double GC_LOG[7] = {
    0x1.5555555555558p-1, 0x1.99999999952e2p-2, 0x1.2492492df148dp-2, 0x1.c71c62e5800a1p-3,
    0x1.7462b4ab2ef6bp-3, 0x1.39fe606542ddep-3, 0x1.2b584aae78a57p-3};

/* E(r) = (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, error of exp 1.3e-17. */
static const double GC_EXP[10] = {
    0x1.0000000000001p-1, 0x1.5555555555556p-3, 0x1.5555555553d68p-5, 0x1.11111111109b5p-7,
    0x1.6c16c17889ef1p-10, 0x1.a01a01a7c2efep-13, 0x1.a019b9149a41cp-16, 0x1.71de0db2f6b19p-19,
    0x1.28917c89a43a7p-22, 0x1.af389ecfc4b9cp-26};

#endif
