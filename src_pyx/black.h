/* Normalised Black prices and legs at one point.
 *
 * Reduction. A = min(F, K), B = max(F, K), x = ln(B/A) >= 0, s = sigma sqrt(tau),
 * y = x/s, t = s/2. Only the out-of-the-money option is ever computed, in units of A:
 *
 *     b(x, s) = N(t - y) - e^x N(-y - t)
 *
 * The quoted price is D (A b + max(theta (F - K), 0)), theta = +1 call, -1 put. Adding
 * the intrinsic value last keeps every digit of the time value.
 *
 * Two regimes:
 *   series (s <= 0.9 and x <= 1.5, nearly every real quote): no cancellation, one
 *       special function;
 *   tails (elsewhere): Mills ratios. Loses about 1.25/s ulps near the money for small
 *       s, which is why the series exists; for x > 1.5 the loss is below the conditioning
 *       y^2 of the problem itself.
 * Derivations in docs/numerics.md.
 */
#ifndef GAMMACORE_BLACK_H
#define GAMMACORE_BLACK_H

#include "black_tables.h"
#include "normal.h"

#define GC_SERIES_MAX_TOTAL_VOL 0.9
#define GC_SERIES_MAX_LOG_MONEYNESS 1.5

/* Beyond these bounds every density below is exactly zero in double precision: clamping
 * keeps 0 * infinity away without a branch. A total vol of 200 prices as infinity. */
#define GC_MAX_Y 60.0
#define GC_MAX_TOTAL_VOL 200.0
#define GC_MIN_DIVISOR 1e-150

/* The reduced option. */
typedef struct {
    double small;     /* A = min(F, K) */
    double x;         /* ln(max/min) */
    double total_vol; /* s, NaN if any input is not valid */
    double y;         /* x / s */
} gc_reduced;

/* Everything the Greeks need, in units of A where that applies. */
typedef struct {
    double price;           /* b */
    double density;         /* phi(t - y) */
    double upper;           /* N(t - y), the leg of A */
    double upper_complement;/* 1 - N(t - y) */
    double lower_scaled;    /* (B/A) N(-y - t), the leg of B; b = upper - lower_scaled */
} gc_legs;

/* Forward and strike must be positive normal numbers, tau finite and >= 0, vol >= 0
 * (infinity allowed). Anything else makes total_vol NaN, and with it every result. */
GC_INLINE gc_reduced gc_reduce(double forward, double strike, double tau, double root_tau, double vol)
{
    gc_reduced r;
    double a = forward < strike ? forward : strike;
    double b = forward < strike ? strike : forward;
    double s = vol * root_tau;
    s = tau == 0.0 ? 0.0 : s; /* an infinite vol over no time is no time */
    s = s > GC_MAX_TOTAL_VOL ? GC_MAX_TOTAL_VOL : s;
    s = vol >= 0.0 ? s : NAN;
    s = tau <= DBL_MAX ? s : NAN;
    s = a >= DBL_MIN ? s : NAN;
    s = b <= DBL_MAX ? s : NAN;
    double x = gc_log_ratio(b, a);
    double y = x / (s < GC_MIN_DIVISOR ? GC_MIN_DIVISOR : s);
    r.small = a;
    r.x = x;
    r.total_vol = s;
    r.y = y > GC_MAX_Y ? GC_MAX_Y : y;
    return r;
}

/* C0(X) = sinh(sqrt X)/sqrt X, X = x^2/4 <= 9/16. */
GC_INLINE double gc_series_c0(double X)
{
    double X2 = X * X;
    const double *c = GC_SERIES_C0;
    return (c[1] * X + c[0]) + ((c[3] * X + c[2]) + ((c[5] * X + c[4]) + c[6] * X2) * X2) * X2;
}

/* G(X, T) = sum_j (-1)^j (2j+1)!! T^j sum_i X^i/(2i+2j+3)!, T = t^2 <= 0.2025.
 * Fit and truncation together stay below 2^-57 for each j (tools/black_series.py). */
GC_INLINE double gc_series_g(double X, double T)
{
    double X2 = X * X, T2 = T * T;
    const double *a = GC_SERIES_G0, *b = GC_SERIES_G1, *c = GC_SERIES_G2, *d = GC_SERIES_G3;
    const double *e = GC_SERIES_G4, *f = GC_SERIES_G5, *g = GC_SERIES_G6, *h = GC_SERIES_G7;
    double g0 = (a[1] * X + a[0]) + ((a[3] * X + a[2]) + (a[5] * X + a[4]) * X2) * X2;
    double g1 = (b[1] * X + b[0]) + ((b[3] * X + b[2]) + (b[5] * X + b[4]) * X2) * X2;
    double g2 = (c[1] * X + c[0]) + ((c[3] * X + c[2]) + c[4] * X2) * X2;
    double g3 = (d[1] * X + d[0]) + (d[3] * X + d[2]) * X2;
    double g4 = (e[1] * X + e[0]) + e[2] * X2;
    double g5 = (f[1] * X + f[0]) + f[2] * X2;
    double g6 = g[1] * X + g[0], g7 = h[1] * X + h[0];
    double high = (g5 * T + g4) + ((g7 * T + g6) + GC_SERIES_G8[0] * T2) * T2;
    return ((g1 * T + g0) + (g3 * T + g2) * T2) + high * (T2 * T2);
}

/* exp(-v) = cosh v - sinh v for 0 <= v <= 0.102 by Taylor's series; the first term
 * dropped is 3e-19. Cheaper than gc_exp, and as exact. */
GC_INLINE double gc_exp_small_negative(double v)
{
    double w = v * v;
    double cosh_v = 1.0 + w * (1.0 / 2 + w * (1.0 / 24 + w * (1.0 / 720 + w * (1.0 / 40320 + w * (1.0 / 3628800)))));
    double sinh_v = v * (1.0 + w * (1.0 / 6 + w * (1.0 / 120 + w * (1.0 / 5040 + w * (1.0 / 362880)))));
    return cosh_v - sinh_v;
}

/* b in the series regime, given scale = exp((x - y^2)/2)/sqrt(2 pi):
 *
 *     b = scale s [ C0(X) M(y) - T G(X, T) ]
 *
 * the Bachelier price at the same distance less a small entire correction: the two
 * terms cancel by x^2/24 at most. */
GC_INLINE double gc_series_price(double scale, double x, double s, double y)
{
    double X = 0.25 * x * x, T = 0.25 * s * s;
    return scale * s * (gc_series_c0(X) * gc_bachelier(y) - T * gc_series_g(X, T));
}

GC_INLINE double gc_series_scale(double x, double y)
{
    return GC_INV_SQRT_2PI * gc_exp(0.5 * (x - y * y));
}

GC_INLINE gc_legs gc_legs_series(double x, double s, double y)
{
    gc_legs legs;
    double t = 0.5 * s;
    double scale = gc_series_scale(x, y);
    legs.price = gc_series_price(scale, x, s, y);
    legs.density = scale * gc_exp_small_negative(0.5 * t * t);
    legs.lower_scaled = legs.density * gc_mills(y + t);
    legs.upper = legs.price + legs.lower_scaled; /* a sum of positives: no cancellation */
    legs.upper_complement = 1.0 - legs.upper;    /* upper <= N(0.45) here, so this is benign */
    return legs;
}

/* Mills-ratio regime: N(z) = phi(z) R(-z) for z = t - y < 0, else 1 - phi(z) R(z). */
GC_INLINE gc_legs gc_legs_tails(double s, double y)
{
    gc_legs legs;
    double t = 0.5 * s, z = t - y;
    double density = GC_INV_SQRT_2PI * gc_exp(-0.5 * z * z);
    double near = gc_mills(z < 0.0 ? -z : z), far = gc_mills(y + t);
    double tail = density * near;
    legs.density = density;
    legs.lower_scaled = density * far;
    legs.price = z < 0.0 ? density * (near - far) : 1.0 - density * (near + far);
    legs.upper = z < 0.0 ? tail : 1.0 - tail;
    legs.upper_complement = z < 0.0 ? 1.0 - tail : tail;
    return legs;
}

/* The prices alone, for callers that want no Greeks. */
GC_INLINE double gc_price_series(double x, double s, double y)
{
    return gc_series_price(gc_series_scale(x, y), x, s, y);
}

GC_INLINE double gc_price_tails(double s, double y)
{
    return gc_legs_tails(s, y).price;
}

/* True where the tails regime applies; false for NaN, which either regime passes on. */
GC_INLINE int gc_in_tails(double x, double s)
{
    return (s > GC_SERIES_MAX_TOTAL_VOL) | (x > GC_SERIES_MAX_LOG_MONEYNESS);
}

/* ---- Greeks -------------------------------------------------------------------- */

/* What the three quoting conventions share. `growth` turns spot into forward. */
typedef struct {
    double price;     /* A b + intrinsic, undiscounted */
    double density;   /* F phi(d1), zero when total vol is zero */
    double leg1;      /* N(theta d1) */
    double leg2;      /* N(theta d2) */
    double d1, d2;
    double inv_total; /* 1/s, 0 when total vol is zero */
    double half_rate; /* 1/(2 tau), 0 when tau is zero */
} gc_quote;

/* Maps the OTM legs onto the quoted option. With F < K the OTM option is the call:
 * upper = N(d1), lower = N(d2). With F >= K it is the put: upper = N(-d2), lower = N(-d1).
 * Each complement is taken where it does not cancel. */
GC_INLINE gc_quote gc_quote_from_legs(double theta, double forward, double strike, double tau, double small,
                                      double s, double y, gc_legs legs)
{
    gc_quote q;
    int below = forward < strike, call = theta > 0.0;
    double large = below ? strike : forward;
    double lower = legs.lower_scaled * (small / large), lower_complement = 1.0 - lower;
    double intrinsic = theta * (forward - strike);
    double h = below ? -y : y, t = 0.5 * s;
    double call1 = below ? legs.upper : lower_complement, put1 = below ? legs.upper_complement : lower;
    double call2 = below ? lower : legs.upper_complement, put2 = below ? lower_complement : legs.upper;
    q.price = small * legs.price + (intrinsic < 0.0 ? 0.0 : intrinsic);
    q.density = s == 0.0 ? 0.0 : small * legs.density;
    q.leg1 = call ? call1 : put1;
    q.leg2 = call ? call2 : put2;
    q.d1 = h + t;
    q.d2 = h - t;
    q.inv_total = s == 0.0 ? 0.0 : 1.0 / (s < GC_MIN_DIVISOR ? GC_MIN_DIVISOR : s);
    q.half_rate = tau < 1e-300 ? 0.0 : 0.5 / tau;
    return q;
}

#endif
