/* Normal distribution and density to 1e-13, as deltas and gammas need them.
 *
 * A delta needs absolute accuracy only, so its normal distribution is shorter than that of
 * prices (normal.h): N(-y) = phi(y) R(y) with a (5, 6) rational fitted under the weight phi.
 */
#ifndef GAMMACORE_DELTA_H
#define GAMMACORE_DELTA_H

#include "hedging_tables.h"
#include "normal.h"

#define GC_SHORT_MAX_Y 8.5    /* of the ratio's fit: N(-8.5) = 1e-17 */
#define GC_DENSITY_MAX_Y 37.0 /* phi is still a normal number; bands vanish with gamma, not before */

/* exp(v) for -700 <= v <= 0: as gc_exp with fewer terms. Relative error 6e-14. */
GC_INLINE double gc_exp_short(double v)
{
    double shifted = v * GC_LOG2_E + GC_ROUND_SHIFT;
    int64_t k = gc_to_bits(shifted);
    double kd = shifted - GC_ROUND_SHIFT;
    double r = (v - kd * GC_LN2_HIGH) - kd * GC_LN2_LOW;
    double r2 = r * r;
    const double *c = GC_SHORT_EXP;
    double low = (c[1] * r + c[0]) + (c[3] * r + c[2]) * r2;
    double high = (c[5] * r + c[4]) + (c[7] * r + c[6]) * r2;
    double p = 1.0 + (r + r2 * (high * (r2 * r2) + low));
    return gc_from_bits((int64_t)((uint64_t)gc_to_bits(p) + ((uint64_t)k << 52)));
}

/* N(d) and phi(d), absolute error below 1e-13. */
GC_INLINE void gc_normal_pair(double d, double *distribution, double *density)
{
    double y = d < 0.0 ? -d : d;
    double wide = y > GC_DENSITY_MAX_Y ? GC_DENSITY_MAX_Y : y;
    y = y > GC_SHORT_MAX_Y ? GC_SHORT_MAX_Y : y;
    double y2 = y * y, y4 = y2 * y2;
    const double *p = GC_SHORT_MILLS_NUM, *q = GC_SHORT_MILLS_DEN;
    double num = ((p[1] * y + p[0]) + (p[3] * y + p[2]) * y2) + (p[5] * y + p[4]) * y4;
    double den = ((q[1] * y + q[0]) + (q[3] * y + q[2]) * y2) + ((q[5] * y + q[4]) + q[6] * y2) * y4;
    double phi = GC_INV_SQRT_2PI * gc_exp_short(-0.5 * (wide * wide));
    double tail = phi * (num / den);
    *distribution = d < 0.0 ? tail : 1.0 - tail;
    *density = phi;
}

#endif
