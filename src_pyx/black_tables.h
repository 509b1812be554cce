/* Coefficients for black.h, low order first: written by tools/black_series.py.
 *
 * GC_SERIES_C0 is sinh(sqrt(X))/sqrt(X) on X <= 9/16. GC_SERIES_Gj is
 * (-1)^j (2j+1)!! * sum_i X^i / (2i + 2j + 3)!, the coefficient of T^j in G(X, T);
 * the degrees fall with j because T <= 0.2025.
 */
#ifndef GAMMACORE_BLACK_TABLES_H
#define GAMMACORE_BLACK_TABLES_H

static const double GC_SERIES_C0[7] = {
    0x1.0p+0, 0x1.555555555554bp-3, 0x1.11111111123c3p-7, 0x1.a01a019cfc98ep-13,
    0x1.71de3e499f94ep-19, 0x1.ae5f2fcaf96d2p-26, 0x1.6477a7dbaa216p-33};

static const double GC_SERIES_G0[6] = {
    0x1.5555555555555p-3, 0x1.111111111147fp-7, 0x1.a01a019efd76cp-13, 0x1.71de3c70d5b0ep-19,
    0x1.ae60ba55d3f05p-26, 0x1.63fdaaded0c01p-33};

static const double GC_SERIES_G1[6] = {
    -0x1.999999999999ap-6, -0x1.38138138138aep-11, -0x1.1566abbfdf2fap-17, -0x1.42cb419da797bp-24,
    -0x1.08da0316cdfabp-31, -0x1.44e1d0c6458e9p-39};

static const double GC_SERIES_G2[5] = {
    0x1.8618618618623p-9, 0x1.5ac056b006c1bp-15, 0x1.937e11816af91p-22, 0x1.4b11135072f02p-29,
    0x1.95aee2cefa413p-37};

static const double GC_SERIES_G3[4] = {
    -0x1.2f684bda11eb7p-12, -0x1.610e4f121f808p-19, -0x1.21af53e9d7437p-26, -0x1.629b24555804fp-34};

static const double GC_SERIES_G4[3] = {
    0x1.8d3018d72cf6ep-16, 0x1.45e5900537831p-23, 0x1.8e8500b4f6598p-31};

static const double GC_SERIES_G5[3] = {
    -0x1.c01c01c241112p-20, -0x1.112200e2f5520p-27, -0x1.01b3ac639bdb4p-35};

static const double GC_SERIES_G6[2] = {
    0x1.bbd76cd115bf0p-24, 0x1.a26bd570c8f14p-32};

static const double GC_SERIES_G7[2] = {
    -0x1.879ffa747b366p-28, -0x1.258a09576a49bp-36};

static const double GC_SERIES_G8[1] = {
    0x1.37ad31ec92bb8p-32};

#endif
