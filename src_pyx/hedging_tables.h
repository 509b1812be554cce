/* Coefficients for variates.h and delta.h, low order first: written by tools/hedging_tables.py.
 */
#ifndef GAMMACORE_HEDGING_TABLES_H
#define GAMMACORE_HEDGING_TABLES_H

/* S(z) = sin(pi v/2)/v, z = v^2 <= 1/4, error 6.7e-15. */
static const double GC_SINE[6] = {
    0x1.921fb54442cfap+0, -0x1.4abbce6257a2ap-1, 0x1.466bc67123fa1p-4, -0x1.32d2c644adc0bp-8,
    0x1.5071ce4b47930p-13, -0x1.dd54805f3f706p-19};

/* C(z) = cos(pi v/2), z = v^2 <= 1/4, error 4.7e-17. */
static const double GC_COSINE[7] = {
    0x1.0p+0, -0x1.3bd3cc9be458bp+0, 0x1.03c1f081b0780p-2, -0x1.55d3c7dbfd139p-6,
    0x1.e1f4fb60281f6p-11, -0x1.a6c9c1be9eb49p-16, 0x1.f3dbcea61b1a4p-22};

/* E(r) = (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, times r^2, error 5.6e-14. */
static const double GC_SHORT_EXP[8] = {
    0x1.fffffffffe069p-2, 0x1.5555555554f97p-3, 0x1.55555565c559fp-5, 0x1.111111170ad56p-7,
    0x1.6c166be75a859p-10, 0x1.a019c3721fb3ep-13, 0x1.a136b06babd51p-16, 0x1.72ad3ae3ed777p-19};

/* R(y) = (1 - N(y)) / phi(y) on [0, 8.5], degree (5, 6), error of phi(y) R(y) 1.7e-14. */
static const double GC_SHORT_MILLS_NUM[6] = {
    0x1.40d931ff62646p+0, 0x1.20912d1b875b9p+0, 0x1.036a6deb2e730p-1, 0x1.096f98849dc8fp-3,
    0x1.325a24278f920p-6, 0x1.3ead9bb1a5802p-10};

static const double GC_SHORT_MILLS_DEN[7] = {
    0x1.0p+0, 0x1.b2806de83beebp+0, 0x1.422c90f042299p+0, 0x1.0cbb9e5e03fcfp-1,
    0x1.0c03d556e17f5p-3, 0x1.325001c32787fp-6, 0x1.3eb1d95934c4dp-10};

#endif
