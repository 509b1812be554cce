/* Coefficients for normal.h, low order first, exact as C99 hex floats.
 *
 * Own minimax fits (relative error), computed with 50 digits; see tools/mills_remez.py
 * and docs/numerics.md. All coefficients of the Mills and Bachelier rationals are
 * positive, so evaluating them on y >= 0 cannot cancel.
 */
#ifndef GAMMACORE_NORMAL_TABLES_H
#define GAMMACORE_NORMAL_TABLES_H

/* R(y) = (1 - N(y)) / phi(y) on [0, 40], degree (9, 10), relative error 5.4e-17. */
static const double GC_MILLS_NUM[10] = {
    0x1.40d931ff62705p+0, 0x1.f1a34aa837f33p+0, 0x1.7dc876c6fba8dp+0, 0x1.742a2972dee72p-1,
    0x1.f70d04dfbdd8ap-3, 0x1.e6e8ca89d56bbp-5, 0x1.5172e426ce590p-7, 0x1.44102939ddfe3p-10,
    0x1.8a4eebec8cd17p-14, 0x1.d5f49e83c2eeap-19};

static const double GC_MILLS_DEN[11] = {
    0x1.0p+0, 0x1.2ca8730eb8d9cp+1, 0x1.483325321c72cp+1, 0x1.b7a1a762c40f5p+0,
    0x1.915944c3822d5p-1, 0x1.05e0cef20c961p-2, 0x1.f0fa9c667671cp-5, 0x1.548781f8d757ep-7,
    0x1.44fb2389f1b96p-10, 0x1.8a4eebec69472p-14, 0x1.d5f49e83c85a3p-19};

/* M(y) = 1 - y R(y) on [0, 40], degree (9, 11), relative error 7.9e-17. */
static const double GC_BACHELIER_NUM[10] = {
    0x1.0p+0, 0x1.4a1eddf1c02bep+0, 0x1.b096604d70adbp-1, 0x1.6f9c8168d5e78p-2,
    0x1.b8ddcd46f09dbp-4, 0x1.808f12c6dd3a9p-6, 0x1.e74caaf1fe64cp-9, 0x1.b1c1ee5e27f99p-12,
    0x1.f03a41991053bp-16, 0x1.1ae06ac636d89p-20};

static const double GC_BACHELIER_DEN[12] = {
    0x1.0p+0, 0x1.457c07f891506p+1, 0x1.8414c7be44714p+1, 0x1.1f110fcaabfb2p+1,
    0x1.258fea35fe86cp+0, 0x1.b53861f66aee5p-2, 0x1.e5d2e3a048de2p-4, 0x1.94c9a56c281f7p-6,
    0x1.f2ee08623bcd8p-9, 0x1.b5128fa1d0525p-12, 0x1.f03a419888c2dp-16, 0x1.1ae06ac64097ap-20};

/* L(z) = (2 artanh(f)/f - 2) / z, z = f^2 <= 0.0295, error 4.5e-18. */
static const double GC_LOG[7] = {
    0x1.5555555555558p-1, 0x1.9999999995238p-2, 0x1.2492492e034e4p-2, 0x1.c71c62cf58f98p-3,
    0x1.7462bac8a32eep-3, 0x1.39fd9a4ee50d4p-3, 0x1.2b61a5a097667p-3};

/* E(r) = (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, error 1.2e-17. */
static const double GC_EXP[10] = {
    0x1.0000000000001p-1, 0x1.555555555554dp-3, 0x1.5555555553d62p-5, 0x1.11111111144bep-7,
    0x1.6c16c1788d88ep-10, 0x1.a01a018c23bcdp-13, 0x1.a019b9034be1cp-16, 0x1.71de5a460f31ep-19,
    0x1.28919413293ddp-22, 0x1.aeab1bab013e0p-26};

#endif
