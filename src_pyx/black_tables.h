/* Coefficients for black.h, low order first: written by tools/black_series.py.
 *
 * GC_SERIES_C0 is sinh(sqrt(X))/sqrt(X) on X <= 1/4. GC_SERIES_Gj is
 * (-1)^j (2j+1)!! * sum_i X^i / (2i + 2j + 3)!, the coefficient of T^j in G(X, T);
 * the degrees fall with j because T <= 0.2025.
 */
#ifndef GAMMACORE_BLACK_TABLES_H
#define GAMMACORE_BLACK_TABLES_H

static const double GC_SERIES_C0[7] = {
    0x1.0p+0, 0x1.5555555555555p-3, 0x1.1111111111164p-7, 0x1.a01a019ffb030p-13,
    0x1.71de3aadf7135p-19, 0x1.ae6352dad304ap-26, 0x1.629dcd23fa96cp-33};

static const double GC_SERIES_G0[6] = {
    0x1.5555555555555p-3, 0x1.1111111111120p-7, 0x1.a01a01a00ef0fp-13, 0x1.71de3a84a10c3p-19,
    0x1.ae63a07779c78p-26, 0x1.6267cf434f12cp-33};

static const double GC_SERIES_G1[5] = {
    -0x1.999999999999bp-6, -0x1.3813813811879p-11, -0x1.1566abcfde115p-17, -0x1.42cae869d6e84p-24,
    -0x1.09a561ccd634ap-31};

static const double GC_SERIES_G2[4] = {
    0x1.86186186182f0p-9, 0x1.5ac056b666f5cp-15, 0x1.937dd1ecff891p-22, 0x1.4bdc2824014f5p-29};

static const double GC_SERIES_G3[4] = {
    -0x1.2f684bda12ec2p-12, -0x1.610e4ef70cda4p-19, -0x1.21afbdc1e0399p-26, -0x1.61cabb41d7c78p-34};

static const double GC_SERIES_G4[3] = {
    0x1.8d3018d35f220p-16, 0x1.45e5c591781c4p-23, 0x1.8dd542c6c28fep-31};

static const double GC_SERIES_G5[3] = {
    -0x1.c01c01c04c27ep-20, -0x1.11221c6df58f9p-27, -0x1.0159472b33941p-35};

static const double GC_SERIES_G6[2] = {
    0x1.bbd776c18eaedp-24, 0x1.a209f3e853d8ep-32};

static const double GC_SERIES_G7[1] = {
    -0x1.87c4a90052efdp-28};

static const double GC_SERIES_G8[1] = {
    0x1.378f81f0e94aep-32};

#endif
