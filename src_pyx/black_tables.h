/* Coefficients for black.h, low order first. Own minimax fits on X in [0, 1/4].
 *
 * GC_SERIES_C0 is sinh(sqrt(X))/sqrt(X). GC_SERIES_Gj is
 * (-1)^j (2j+1)!! * sum_i X^i / (2i + 2j + 3)!, the coefficient of T^j in G(X, T);
 * the degrees fall with j because T <= 1/16.
 */
#ifndef GAMMACORE_BLACK_TABLES_H
#define GAMMACORE_BLACK_TABLES_H

static const double GC_SERIES_C0[6] = {
    0x1.0p+0, 0x1.555555555561ap-3, 0x1.11111110ed13bp-7, 0x1.a01a023a237dfp-13,
    0x1.71dd109993260p-19, 0x1.b076587aeffb5p-26};

static const double GC_SERIES_G0[6] = {
    0x1.5555555555555p-3, 0x1.1111111111120p-7, 0x1.a01a01a00ef8bp-13, 0x1.71de3a848b2e3p-19,
    0x1.ae63a0a977eddp-26, 0x1.6267a74329179p-33};

static const double GC_SERIES_G1[5] = {
    -0x1.999999999999bp-6, -0x1.3813813811886p-11, -0x1.1566abcfd9fe0p-17, -0x1.42cae876e1f78p-24,
    -0x1.09a554c15cdd5p-31};

static const double GC_SERIES_G2[4] = {
    0x1.86186186182f1p-9, 0x1.5ac056b665cc3p-15, 0x1.937dd1f332ea7p-22, 0x1.4bdc1fdf3fa01p-29};

static const double GC_SERIES_G3[3] = {
    -0x1.2f684bdac3a87p-12, -0x1.610e36195ce06p-19, -0x1.223464a590f28p-26};

static const double GC_SERIES_G4[3] = {
    0x1.8d3018d35f179p-16, 0x1.45e5c5921f4f6p-23, 0x1.8dd54029e3ef6p-31};

static const double GC_SERIES_G5[2] = {
    -0x1.c01bfdbb53c34p-20, -0x1.1162710cc2c50p-27};

static const double GC_SERIES_G6[1] = {
    0x1.bc0bb44bc3307p-24};

static const double GC_SERIES_G7[1] = {
    -0x1.87c4a85d1f9cdp-28};

#endif
