/* Exponential, logarithm and normal distribution in single precision, for Monte Carlo.
 *
 * A mean over hundreds of paths is known to some percent: seven digits do, and a vector holds twice as many.
 */
#ifndef GAMMACORE_SINGLE_H
#define GAMMACORE_SINGLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "portable.h"

#define GC_SINGLE_SHIFT 12582912.0f /* 1.5 2^23: adding it rounds to an integer in the low bits */
#define GC_SINGLE_LOG2_E 1.44269504f
#define GC_SINGLE_LN2_HIGH 0.693359375f
#define GC_SINGLE_LN2_LOW -2.12194440e-4f
#define GC_SINGLE_LN2 0.693147181f
#define GC_SINGLE_INV_SQRT_2PI 0.398942280f
#define GC_SINGLE_SQRT_HALF_BITS 0x3f3504f3
#define GC_SINGLE_SMALLEST 1e-30f

GC_INLINE int32_t gc_single_bits(float value)
{
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

GC_INLINE float gc_single_from(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp(v) for v within [-87, 87]: 2^k times a polynomial on half of ln 2 to either side (S. Moshier, Cephes, expf).
 * Relative error 2e-7. */
GC_INLINE float gc_single_exp_within(float v)
{
    float shifted = v * GC_SINGLE_LOG2_E + GC_SINGLE_SHIFT;
    float k = shifted - GC_SINGLE_SHIFT;
    float r = (v - k * GC_SINGLE_LN2_HIGH) - k * GC_SINGLE_LN2_LOW;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = 1.0f + (r + p * (r * r));
    return gc_single_from((int32_t)((uint32_t)gc_single_bits(p) + ((uint32_t)gc_single_bits(shifted) << 23)));
}

/* exp(v), v held to [-87, 87]. */
GC_INLINE float gc_single_exp(float v)
{
    v = v < -87.0f ? -87.0f : v;
    return gc_single_exp_within(v > 87.0f ? 87.0f : v);
}

/* ln v for v >= 1e-30, below which it is that of 1e-30: 2 atanh((m - 1)/(m + 1)), m within [1/sqrt 2, sqrt 2].
 * Absolute error 2e-7 times the larger of 1 and the result. */
GC_INLINE float gc_single_log(float v)
{
    v = v < GC_SINGLE_SMALLEST ? GC_SINGLE_SMALLEST : v;
    int32_t bits = gc_single_bits(v);
    int32_t exponent = (bits - GC_SINGLE_SQRT_HALF_BITS) >> 23;
    float m = gc_single_from((int32_t)((uint32_t)bits - ((uint32_t)exponent << 23)));
    float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    float p = 1.0f + s2 * (0.333333333f + s2 * (0.2f + s2 * (0.142857143f + s2 * 0.111111111f)));
    return (float)exponent * GC_SINGLE_LN2 + 2.0f * s * p;
}

/* N(d) and phi(d): absolute error 2e-7 (M. Abramowitz, I. Stegun, 26.2.17, which is good to 7.5e-8). d is held to
 * [-8, 8]: densities beyond are so small that their squares are no normal numbers, which take many times as long. */
#define GC_SINGLE_FAR 8.0f
GC_INLINE void gc_single_normal(float d, float *distribution, float *density)
{
    float y = fabsf(d);
    y = y > GC_SINGLE_FAR ? GC_SINGLE_FAR : y;
    float t = 1.0f / (1.0f + 0.2316419f * y);
    float phi = GC_SINGLE_INV_SQRT_2PI * gc_single_exp_within(-0.5f * (y * y));
    float p = 1.330274429f;
    p = p * t - 1.821255978f;
    p = p * t + 1.781477937f;
    p = p * t - 0.356563782f;
    p = p * t + 0.319381530f;
    float tail = phi * (p * t);
    *distribution = d < 0.0f ? tail : 1.0f - tail;
    *density = phi;
}

#endif
