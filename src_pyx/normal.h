/* exp, logarithm of a ratio, and the two normal-tail functions of option pricing.
 *
 * Every function is branch-free: selects only, written `x < c ? c : x` so that a NaN
 * passes through. The polynomials use Estrin's scheme, because Horner's is bound by
 * the latency of its one dependent chain.
 *
 * Legend: phi, N normal density and distribution; R(y) = (1 - N(y)) / phi(y) the Mills
 * ratio; M(y) = 1 - y R(y), the Bachelier price over phi.
 */
#ifndef GAMMACORE_NORMAL_H
#define GAMMACORE_NORMAL_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "normal_tables.h"
#include "portable.h"

#define GC_INV_SQRT_2PI 0.3989422804014327
#define GC_SQRT_2 1.4142135623730951

/* ln 2 in two parts; the high part has trailing zeros, so k * high is exact. */
#define GC_LN2_HIGH 0x1.62e42fefa3800p-1
#define GC_LN2_LOW 0x1.ef35793c76730p-45
#define GC_LOG2_E 1.4426950408889634

/* Adding 1.5 * 2^52 leaves a double's rounded integer in its low mantissa bits, which
 * converts between double and int64 without an instruction SSE2 does not have. */
#define GC_ROUND_SHIFT 6755399441055744.0
#define GC_ROUND_SHIFT_BITS INT64_C(0x4338000000000000)
#define GC_MANTISSA_BITS INT64_C(0x000fffffffffffff)
#define GC_ONE_BITS INT64_C(0x3ff0000000000000)

GC_INLINE int64_t gc_to_bits(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

GC_INLINE double gc_from_bits(int64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp(v): v = k ln2 + r, 1 + r + r^2 E(r), exponent added as an integer.
 * About 1 ulp on [-708, 709.7]; 0 below (no subnormals), infinity above. */
GC_INLINE double gc_exp(double v)
{
    double shifted = v * GC_LOG2_E + GC_ROUND_SHIFT;
    int64_t k = gc_to_bits(shifted);
    double kd = shifted - GC_ROUND_SHIFT;
    double r = (v - kd * GC_LN2_HIGH) - kd * GC_LN2_LOW;
    double r2 = r * r, r4 = r2 * r2;
    const double *c = GC_EXP;
    double low = (c[1] * r + c[0]) + (c[3] * r + c[2]) * r2;
    double middle = (c[5] * r + c[4]) + (c[7] * r + c[6]) * r2;
    double high = c[9] * r + c[8];
    double p = 1.0 + (r + r2 * ((high * r4 + middle) * r4 + low));
    double e = gc_from_bits((int64_t)((uint64_t)gc_to_bits(p) + ((uint64_t)k << 52)));
    e = v < -708.0 ? 0.0 : e;
    e = v > 709.7 ? INFINITY : e;
    return v != v ? v : e;
}

/* ln(den + diff) - ln(den), common tail: 2 artanh(f) + k ln2, f = (mantissa difference)/(sum). */
GC_INLINE double gc_log_from_fraction(double f, double k)
{
    double z = f * f, z2 = z * z;
    const double *c = GC_LOG;
    double q = ((c[1] * z + c[0]) + (c[3] * z + c[2]) * z2) + ((c[5] * z + c[4]) + c[6] * z2) * (z2 * z2);
    return k * GC_LN2_HIGH + (2.0 * f + (f * z * q + k * GC_LN2_LOW));
}

/* Mantissas and exponent difference of b / a, shifted so that b's mantissa over a's
 * lies in [1/sqrt2, sqrt2]. Positive normal doubles only. */
GC_INLINE void gc_split_ratio(double b, double a, double *mantissa_b, double *mantissa_a, double *k)
{
    int64_t bits_b = gc_to_bits(b), bits_a = gc_to_bits(a);
    int64_t exponent = (bits_b >> 52) - (bits_a >> 52);
    double mb = gc_from_bits((bits_b & GC_MANTISSA_BITS) | GC_ONE_BITS);
    double ma = gc_from_bits((bits_a & GC_MANTISSA_BITS) | GC_ONE_BITS);
    double up = mb > GC_SQRT_2 * ma ? 1.0 : 0.0;
    double down = GC_SQRT_2 * mb < ma ? 1.0 : 0.0;
    *mantissa_b = mb * (up != 0.0 ? 0.5 : (down != 0.0 ? 2.0 : 1.0));
    *mantissa_a = ma;
    *k = gc_from_bits(exponent + GC_ROUND_SHIFT_BITS) - GC_ROUND_SHIFT + (up - down);
}

/* ln(b / a) for positive normal b, a. The difference of the mantissas is exact near
 * b = a, so the *relative* accuracy (1-2 ulp) survives there; log(b / a) loses it. */
GC_INLINE double gc_log_ratio(double b, double a)
{
    double mb, ma, k;
    gc_split_ratio(b, a, &mb, &ma, &k);
    return gc_log_from_fraction((mb - ma) / (mb + ma), k);
}

/* ln((p + m) / p) for positive normal p and m >= 0, accurate also for m << p: as long
 * as both exponents agree the exact m stands in for the difference of the mantissas. */
GC_INLINE double gc_log_1p_ratio(double m, double p)
{
    double b = p + m, mb, ma, k;
    gc_split_ratio(b, p, &mb, &ma, &k);
    double difference = k == 0.0 ? m : mb - ma;
    double sum = k == 0.0 ? b + p : mb + ma;
    return gc_log_from_fraction(difference / sum, k);
}

/* R(y), y >= 0. Degrees (9, 10) give 1/y beyond the fitted [0, 40], as R does. */
GC_INLINE double gc_mills(double y)
{
    double y2 = y * y, y4 = y2 * y2, y8 = y4 * y4;
    const double *p = GC_MILLS_NUM, *q = GC_MILLS_DEN;
    double num = ((p[1] * y + p[0]) + (p[3] * y + p[2]) * y2) + ((p[5] * y + p[4]) + (p[7] * y + p[6]) * y2) * y4
                 + (p[9] * y + p[8]) * y8;
    double den = ((q[1] * y + q[0]) + (q[3] * y + q[2]) * y2) + ((q[5] * y + q[4]) + (q[7] * y + q[6]) * y2) * y4
                 + ((q[9] * y + q[8]) + q[10] * y2) * y8;
    return num / den;
}

/* M(y) = 1 - y R(y), y >= 0, without the cancellation of that formula (M ~ 1/y^2). */
GC_INLINE double gc_bachelier(double y)
{
    double y2 = y * y, y4 = y2 * y2, y8 = y4 * y4;
    const double *p = GC_BACHELIER_NUM, *q = GC_BACHELIER_DEN;
    double num = ((p[1] * y + p[0]) + (p[3] * y + p[2]) * y2) + ((p[5] * y + p[4]) + (p[7] * y + p[6]) * y2) * y4
                 + (p[9] * y + p[8]) * y8;
    double den = ((q[1] * y + q[0]) + (q[3] * y + q[2]) * y2) + ((q[5] * y + q[4]) + (q[7] * y + q[6]) * y2) * y4
                 + ((q[9] * y + q[8]) + (q[11] * y + q[10]) * y2) * y8;
    return num / den;
}

#endif
