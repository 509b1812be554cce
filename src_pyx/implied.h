/* Implied total volatility at one point, in three tiers.
 *
 * Input is the time value P of the option (price less intrinsic, undiscounted) reduced
 * as in black.h: x = ln(B/A), c = P/A = b(x, s), and
 *
 *     l = ln((P + M)/P) = ln(in-the-money value / out-of-the-money value),  M = B - A.
 *
 * In Bachelier's model l determines y alone: (y/l)^2 = g(l) is analytic at 0, where it
 * is 1/(2 pi), and behaves like 2/l at infinity. Black's s is Bachelier's n = x/y times
 * a factor psi that is 1 at n = 0 and very smooth in X = x^2 and N = n^2.
 *
 *   tier 1 (x <= 1, l <= 44, s <= 1)      explicit, no iteration
 *   tier 2 (x <= 3, l <= 500, s <= 2.5)   low-degree guess and one fourth-order step
 *   tier 3 (the rest)                     bracketed fourth-order iteration, scalar
 *
 * Largest error measured over all tiers: see docs/numerics.md.
 */
#ifndef GAMMACORE_IMPLIED_H
#define GAMMACORE_IMPLIED_H

#include "black.h"
#include "implied_tables.h"

/* What became of one implied volatility. The Python enum IVStatus repeats these. */
enum {
    GC_IV_OK = 0,
    GC_IV_BELOW_INTRINSIC = 1,
    GC_IV_AT_INTRINSIC = 2,
    GC_IV_ABOVE_BOUND = 3,
    GC_IV_NOT_FINITE = 4,
    GC_IV_EXPIRED = 5
};

/* A time value this small, absolutely or against min(F, K), counts as none: below it
 * GC_MIN_MONEYNESS times the value would not be a normal number. */
#define GC_MIN_TIME_VALUE 1e-289
/* At the money M is raised to this fraction of P: no 0/0, and no digit changes. */
#define GC_MIN_MONEYNESS 1e-18

/* How to solve: by tiers, or tier 3 for everything. */
enum { GC_EXPLICIT = 0, GC_NEWTON = 1 };

/* The reduced problem. */
typedef struct {
    double x;          /* ln(B/A) */
    double l;          /* ln((P + M)/P) */
    double time_value; /* P, NaN if there is no answer */
    double small;      /* A */
    double poison;     /* 0, or NaN if there is no answer */
} gc_iv_problem;

/* Discounted time value in quoted units. The worth of no volatility is formed by the very
 * operations that price it: a quote at intrinsic gives exactly zero. */
GC_INLINE double gc_iv_time_value(double theta, double price, double forward, double strike, double df)
{
    double worth = df * (theta * (forward - strike));
    worth = worth < 0.0 ? 0.0 : worth;
    return price - worth;
}

/* Why there is no answer, or GC_IV_OK; scalar, for the rare block that needs it. The
 * comparisons are written so that NaN ends in NOT_FINITE. */
static inline int gc_iv_status(double theta, double price, double forward, double strike, double tau, double df)
{
    double small = forward < strike ? forward : strike, large = forward < strike ? strike : forward;
    double time_value = gc_iv_time_value(theta, price, forward, strike, df);
    if (!(df >= DBL_MIN && df <= DBL_MAX)) return GC_IV_NOT_FINITE;
    if (!(fabs(price) <= DBL_MAX && fabs(tau) <= DBL_MAX)) return GC_IV_NOT_FINITE;
    if (!(small >= DBL_MIN && large <= DBL_MAX)) return GC_IV_NOT_FINITE;
    if (tau <= 0.0) return GC_IV_EXPIRED;
    if (time_value < 0.0) return GC_IV_BELOW_INTRINSIC;
    if (time_value <= df * GC_MIN_TIME_VALUE) return GC_IV_AT_INTRINSIC;
    if (time_value <= df * (small * GC_MIN_TIME_VALUE)) return GC_IV_AT_INTRINSIC;
    if (price >= df * (theta > 0.0 ? forward : strike)) return GC_IV_ABOVE_BOUND;
    if (time_value >= df * small) return GC_IV_ABOVE_BOUND;
    return GC_IV_OK;
}

/* 0 if gc_iv_status says OK and NaN otherwise, by the same comparisons. Added to a number
 * it leaves it alone or makes it NaN. A select between computed values would tempt gcc
 * into a branch, and then the loop around it is not vectorised; a select between constants
 * does not. */
GC_INLINE double gc_iv_poison(double theta, double price, double forward, double strike, double small, double large,
                              double tau, double df, double time_value)
{
    double bad = 0.0;
    bad = time_value > df * GC_MIN_TIME_VALUE ? bad : NAN;
    bad = time_value > df * (small * GC_MIN_TIME_VALUE) ? bad : NAN;
    bad = time_value < df * small ? bad : NAN;
    bad = price < df * (theta > 0.0 ? forward : strike) ? bad : NAN;
    bad = price <= DBL_MAX ? bad : NAN;
    bad = small >= DBL_MIN ? bad : NAN;
    bad = large <= DBL_MAX ? bad : NAN;
    bad = tau > 0.0 ? bad : NAN;
    bad = tau <= DBL_MAX ? bad : NAN;
    bad = df >= DBL_MIN ? bad : NAN;
    return df <= DBL_MAX ? bad : NAN;
}

GC_INLINE gc_iv_problem gc_iv_reduce(double theta, double price, double forward, double strike, double tau, double df)
{
    gc_iv_problem p;
    double a = forward < strike ? forward : strike, b = forward < strike ? strike : forward;
    double time_value = gc_iv_time_value(theta, price, forward, strike, df);
    p.poison = gc_iv_poison(theta, price, forward, strike, a, b, tau, df, time_value);
    double P = time_value / df + p.poison;
    double M = b - a, floor_M = GC_MIN_MONEYNESS * P;
    double x = gc_log_ratio(b, a);
    p.x = M < floor_M ? floor_M / a : x;
    M = M < floor_M ? floor_M : M;
    p.l = gc_log_1p_ratio(M, P);
    p.time_value = P;
    p.small = a;
    return p;
}

/* ---- tier 1: explicit ------------------------------------------------------------ */

/* Degree 14 in Estrin's form. */
GC_INLINE double gc_poly14(const double *c, double l)
{
    double l2 = l * l, l4 = l2 * l2, l8 = l4 * l4;
    double low = ((c[1] * l + c[0]) + (c[3] * l + c[2]) * l2) + ((c[5] * l + c[4]) + (c[7] * l + c[6]) * l2) * l4;
    double high = ((c[9] * l + c[8]) + (c[11] * l + c[10]) * l2) + ((c[13] * l + c[12]) + c[14] * l2) * l4;
    return low + high * l8;
}

/* Polynomial of total degree 4 in (X, N). */
GC_INLINE double gc_triangle4(const double *a, const double *b, const double *c, const double *d, const double *e,
                              double X, double N)
{
    double X2 = X * X, N2 = N * N;
    double c0 = (a[1] * X + a[0]) + ((a[3] * X + a[2]) + a[4] * X2) * X2;
    double c1 = (b[1] * X + b[0]) + (b[3] * X + b[2]) * X2;
    double c2 = (c[1] * X + c[0]) + c[2] * X2;
    double c3 = d[1] * X + d[0];
    return (c1 * N + c0) + ((c3 * N + c2) + e[0] * N2) * N2;
}

/* s = n (1 + N rho(X, N)), n = x / (l sqrt(g(l))), N = n^2. The root is taken before the
 * factor x, whose square would underflow for tiny prices at the money.
 * Fitting rho instead of psi matters: its rounding enters multiplied by N rho <= 0.04. */
GC_INLINE double gc_iv_explicit(double x, double l)
{
    double X = x * x;
    double n = x * sqrt(gc_poly14(GC_BACH_IV_DEN, l) / (l * l * gc_poly14(GC_BACH_IV_NUM, l)));
    double N = n * n;
    double num = gc_triangle4(GC_RHO_NUM0, GC_RHO_NUM1, GC_RHO_NUM2, GC_RHO_NUM3, GC_RHO_NUM4, X, N);
    double den = gc_triangle4(GC_RHO_DEN0, GC_RHO_DEN1, GC_RHO_DEN2, GC_RHO_DEN3, GC_RHO_DEN4, X, N);
    return n * (1.0 + N * (num / den));
}

/* Whether tier 1's answer stands. False for NaN. */
GC_INLINE int gc_iv_explicit_holds(double x, double l, double s)
{
    return (x <= 1.0) & (l <= 44.0) & (s <= 1.0);
}

/* ---- tier 2: guess and one step ---------------------------------------------------- */

/* n from the low-degree g, good to 1.2e-6 for l <= 700. */
GC_INLINE double gc_iv_guess_bachelier(double x, double l)
{
    const double *p = GC_BACH_GUESS_NUM, *q = GC_BACH_GUESS_DEN;
    double l2 = l * l;
    double num = ((p[1] * l + p[0]) + (p[3] * l + p[2]) * l2) + (p[5] * l + p[4]) * (l2 * l2);
    double den = ((q[1] * l + q[0]) + (q[3] * l + q[2]) * l2) + ((q[5] * l + q[4]) + q[6] * l2) * (l2 * l2);
    return x * sqrt(den / (l2 * num));
}

GC_INLINE double gc_iv_guess(double x, double l)
{
    double n = gc_iv_guess_bachelier(x, l);
    double N = n * n, X = x * x, X2 = X * X, N2 = N * N;
    double num = (GC_RHO_GUESS_NUM1[1] * X + GC_RHO_GUESS_NUM1[0]) * N
                 + ((GC_RHO_GUESS_NUM0[1] * X + GC_RHO_GUESS_NUM0[0]) + GC_RHO_GUESS_NUM0[2] * X2)
                 + GC_RHO_GUESS_NUM2[0] * N2;
    double den = (GC_RHO_GUESS_DEN1[1] * X + GC_RHO_GUESS_DEN1[0]) * N
                 + ((GC_RHO_GUESS_DEN0[1] * X + GC_RHO_GUESS_DEN0[0]) + GC_RHO_GUESS_DEN0[2] * X2)
                 + GC_RHO_GUESS_DEN2[0] * N2;
    return n * (1.0 + N * num / den);
}

GC_INLINE int gc_iv_guess_holds(double x, double l, double guess)
{
    return (x <= 3.0) & (l <= 500.0) & (guess <= 2.5);
}

/* Relative step in s of Householder's fourth-order method on f = ln(b/c), with elasticity
 * Q = s b'/b. All higher derivatives of b follow from y^2 and t^2. */
GC_INLINE double gc_householder(double f, double Q, double y, double t)
{
    double y2 = y * y, t2 = t * t, curvature = y2 - t2;
    double nu = -f / Q;
    double h2 = curvature - Q;
    double h3 = curvature * curvature - (3.0 * y2 + t2) - 3.0 * Q * curvature + 2.0 * Q * Q;
    return nu * (1.0 + 0.5 * h2 * nu) / (1.0 + h2 * nu + h3 * (nu * nu) * (1.0 / 6));
}

/* One step from a guess known to 2e-5: ln(b/c) = 2 artanh((b - c)/(b + c)), four terms. */
GC_INLINE double gc_iv_step(double c, double s, double b, double density, double y)
{
    double w = (b - c) / (b + c), w2 = w * w;
    double f = 2.0 * w * (1.0 + w2 * (1.0 / 3 + w2 * (1.0 / 5 + w2 * (1.0 / 7))));
    return s + s * gc_householder(f, s * density / b, y, 0.5 * s);
}

GC_INLINE double gc_iv_step_series(double x, double c, double s)
{
    gc_legs legs = gc_legs_series(x, s, x / s);
    return gc_iv_step(c, s, legs.price, legs.density, x / s);
}

GC_INLINE double gc_iv_step_tails(double x, double c, double s)
{
    gc_legs legs = gc_legs_tails(s, x / s);
    return gc_iv_step(c, s, legs.price, legs.density, x / s);
}

/* ---- tier 3: bracketed iteration --------------------------------------------------- */

#define GC_IV_HIGH_PRICE 0.7
#define GC_IV_LAST_STEP 2e-5
#define GC_IV_MAX_ITERATIONS 200

/* f and elasticity at s. Below c = 0.7 the equation is ln b = ln c. Above it is
 * ln(1 - b) = ln(1 - c), whose left side keeps its digits as b tends to 1. */
static inline void gc_iv_residual(double x, double target, int high, double s, double *f, double *elasticity)
{
    double y = x / s;
    gc_legs legs = gc_in_tails(x, s) ? gc_legs_tails(s, y) : gc_legs_series(x, s, y);
    double value = high ? legs.upper_complement + legs.lower_scaled : legs.price;
    /* Not libm's log, whose last bit depends on the machine. */
    *f = value >= DBL_MIN ? gc_log_ratio(value, target) : -INFINITY;
    *elasticity = (high ? -s : s) * legs.density / value;
}

/* Any solvable problem. The last step is accepted *before* it is held against the
 * bracket: at the root rounding decides the residual's sign, and a bisection there would
 * throw away seven digits. */
static double gc_iv_iterate(double x, double l, double time_value, double small)
{
    int high = time_value > GC_IV_HIGH_PRICE * small;
    double target = (high ? small - time_value : time_value) / small; /* 1 - c is exact so */
    double inflexion = sqrt(2.0 * x);
    double low_s = 0.0, high_s = INFINITY;
    double s = high ? (inflexion > 1.0 ? inflexion : 1.0) : gc_iv_guess_bachelier(x, l);
    for (int iteration = 0; iteration < GC_IV_MAX_ITERATIONS; iteration++) {
        double f, elasticity, next;
        gc_iv_residual(x, target, high, s, &f, &elasticity);
        int too_low = high ? f > 0.0 : !(f >= 0.0); /* b = 0 far out gives -infinity or NaN */
        if (too_low) low_s = s;
        else high_s = s;
        double newton = -f / elasticity;
        double step = gc_householder(f, elasticity, x / s, 0.5 * s);
        step = step * newton > 0.0 ? step : newton;
        if (fabs(step) < GC_IV_LAST_STEP) return s + s * step;
        next = s + s * step;
        if (!(next > low_s && next < high_s)) next = high_s < INFINITY ? 0.5 * (low_s + high_s) : 2.0 * s;
        s = next;
    }
    return NAN; /* not reached: bisection alone would have exhausted the mantissa */
}

#endif
