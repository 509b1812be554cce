/* Uniform and normal variates from 64 random bits each.
 *
 * Normals by G. Box and M. Muller, "A note on the generation of random normal deviates",
 * Ann. Math. Stat. 29 (1958): two uniforms give the two independent normals
 *
 *     r cos(a), r sin(a),   r = sqrt(-2 ln u), a uniform on the circle.
 *
 * One logarithm, one root and one short sine and cosine for two normals is cheaper than two
 * rational inverses of the distribution, and accurate to 1e-14 instead of 1e-8.
 */
#ifndef GAMMACORE_VARIATES_H
#define GAMMACORE_VARIATES_H

#include "hedging_tables.h"
#include "normal.h"

/* Biased so that a logical shift, which AVX2 has, does for an arithmetic one, which it has not. */
#define GC_SQRT_HALF_BITS INT64_C(0x3fe6a09e667f3bcd)
#define GC_EXPONENT_BIAS 64

/* (k + 1/2) 2^-52, k the upper 52 bits: never 0 or 1. */
GC_INLINE double gc_uniform(uint64_t bits)
{
    return gc_from_bits((int64_t)((bits >> 12) | (uint64_t)GC_ONE_BITS)) - (1.0 - 0x1p-53);
}

/* ln u for u in [2^-53, 1): mantissa within [1/sqrt 2, sqrt 2], then as normal.h. 1 ulp. */
GC_INLINE double gc_log_uniform(double u)
{
    int64_t bits = gc_to_bits(u);
    int64_t shifted = (int64_t)((uint64_t)(bits - GC_SQRT_HALF_BITS + (INT64_C(64) << 52)) >> 52);
    int64_t exponent = shifted - GC_EXPONENT_BIAS;
    double mantissa = gc_from_bits(bits - (int64_t)((uint64_t)exponent << 52));
    double k = gc_from_bits(exponent + GC_ROUND_SHIFT_BITS) - GC_ROUND_SHIFT;
    return gc_log_from_fraction((mantissa - 1.0) / (mantissa + 1.0), k);
}

/* A uniform point of the circle. The upper bits turn by -45 to 45 degrees; bit 0 exchanges the
 * axes, and bit 1 the sign of both, which together reach every eighth once. */
GC_INLINE void gc_circle(uint64_t bits, double *one, double *other)
{
    double v = gc_from_bits((int64_t)((bits >> 12) | (uint64_t)GC_ONE_BITS)) - 1.5;
    double z = v * v, z2 = z * z;
    const double *s = GC_SINE, *c = GC_COSINE;
    double sine = v * (((s[1] * z + s[0]) + (s[3] * z + s[2]) * z2) + (s[5] * z + s[4]) * (z2 * z2));
    double cosine = ((c[1] * z + c[0]) + (c[3] * z + c[2]) * z2) + ((c[5] * z + c[4]) + c[6] * z2) * (z2 * z2);
    /* Integer arithmetic, since SSE2 cannot compare 64-bit integers. */
    int64_t sign = (int64_t)((bits & 2) << 62), mask = -(int64_t)(bits & 1);
    int64_t exchange = (gc_to_bits(sine) ^ gc_to_bits(cosine)) & mask;
    *one = gc_from_bits(gc_to_bits(cosine) ^ exchange ^ sign);
    *other = gc_from_bits(gc_to_bits(sine) ^ exchange ^ sign);
}

/* Two independent standard normals. */
GC_INLINE void gc_normals(uint64_t radius_bits, uint64_t angle_bits, double *one, double *other)
{
    double r = sqrt(-2.0 * gc_log_uniform(gc_uniform(radius_bits)));
    double x, y;
    gc_circle(angle_bits, &x, &y);
    *one = r * x;
    *other = r * y;
}

#endif
