/* Whether a hedge that rests at its own side of the book fills before its patience ends, by what the next
 * bar says of the price, and where the price is if it did not.
 *
 * From the moment of the order the price moves as a Brownian motion X (relative to the price, X = 0 at the
 * start, towards the order's own side counted positive) that the next bar's close b pins at the bar's end D:
 * a bridge of variance v a second. The order rests at distance a and fills once a price strictly beyond it is
 * seen within T <= D.
 *
 * Seen at every moment, by reflection (Karatzas & Shreve 1991, 2.8; Glasserman 2004, 6.4):
 *
 *     P(max over [0, T] > a | X_D = b) = N((m - a)/s) + exp(-2 a (a - b)/(v D)) N((m2 - a)/s)
 *     m = b T/D,  s^2 = v T (1 - T/D),  m2 = m + 2 a (1 - T/D)
 *
 * and E[X_T; not filled] is the difference of the two truncated means, by reflection. Seen every `looks`
 * seconds only, as trades print, the barrier is further away by 0.5826 sqrt(v looks) (Broadie, Glasserman &
 * Kou 1997); seen once, at T, only N((m - a)/s) is left. A resting order is adversely selected: the mean of X
 * stays nil, so what is not filled finds the price gone the other way, by as much as the fills took.
 *
 * The bar's high (low for a purchase), where it covers the wait, is evidence: no price beyond a in the whole
 * bar is no fill, and otherwise the chance is the one given that it is reached by D.
 */
#ifndef GAMMACORE_RESTING_H
#define GAMMACORE_RESTING_H

#include <math.h>
#include <stdint.h>

#include "portable.h"

#define GC_OVERSHOOT 0.5825971579390107 /* -zeta(1/2)/sqrt(2 pi) */
#define GC_SURE 1e-12                   /* of not being filled: below it, the order is */

GC_INLINE double gc_normal(double x) { return 0.5 * erfc(-0.70710678118654752440 * x); }
GC_INLINE double gc_density(double x) { return 0.39894228040143267794 * exp(-0.5 * x * x); }

/* P(a is passed by the end | X_end = b) of a bridge whose variance is `spread`. */
GC_INLINE double gc_passed(double a, double b, double spread)
{
    return b > a ? 1.0 : exp(-2.0 * a * (a - b) / spread);
}

/* Chance of a fill within `patience` seconds; `missed` is the mean of X then, if it is not filled.
 * `reach` is the bar's furthest price towards the order, NaN where it is unknown. */
static double gc_rest(double a, double b, double seconds, double variance, double reach, double patience,
                      double looks, double *missed)
{
    *missed = 0.0;
    if (!(seconds > 0.0) || !(variance > 0.0) || !(patience > 0.0)) return 0.0;
    double T = patience < seconds ? patience : seconds, share = T / seconds;
    int once = looks >= T;
    double A = once ? a : a + GC_OVERSHOOT * sqrt(variance * looks);
    double m = b * share, s = sqrt(variance * T * (1.0 - share)), spread = variance * seconds;
    double left, sum; /* P and E[X; .] of no fill */
    if (!(s > 0.0)) {
        left = b > A ? 0.0 : once ? 1.0 : 1.0 - gc_passed(A, b, spread);
        sum = left * b;
    } else {
        double d = (A - m) / s;
        left = gc_normal(d);
        sum = m * left - s * gc_density(d);
        if (!once) {
            double m2 = m + 2.0 * A * (1.0 - share), d2 = (A - m2) / s;
            double weight = exp(fmin(-2.0 * A * (A - b) / spread, 700.0)), below = gc_normal(d2);
            left -= weight * below;
            sum -= weight * (m2 * below - s * gc_density(d2));
        }
    }
    if (!(left > GC_SURE)) left = 0.0;
    else *missed = sum / left;
    double chance = left < 1.0 ? 1.0 - left : 0.0;
    if (isnan(reach)) return chance;
    if (!(reach > a)) return 0.0;
    return fmin(chance / gc_passed(a, b, spread), 1.0);
}

/* Uniform in [0, 1) of a moment and a side: two orders of one moment at one price share their fate.
 * SplitMix64 (Steele, Lea & Flood 2014). */
GC_INLINE double gc_drawn(uint64_t seed, int64_t ts_ns, int buys)
{
    uint64_t z = (uint64_t)ts_ns * 2u + (uint64_t)buys + seed * UINT64_C(0x9e3779b97f4a7c15);
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 1.1102230246251565e-16; /* 2^-53 */
}

#endif
