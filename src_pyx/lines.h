/* Sums over a path of the lines of an attribution, in the settlement currency and in the other.
 *
 * gammacore.attribution keeps every step of every line when somebody asks; most ask for the
 * totals alone, which these loops reach without storing a step. tests/test_attribution_sums.py
 * holds the two together.
 *
 * The settlement currency's amount of a step counts in the other currency at the rate of the
 * step's end. Step k runs from point k to point k + 1.
 */
#ifndef GAMMACORE_LINES_H
#define GAMMACORE_LINES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "bits.h"
#include "portable.h"
#include "simd.h"

enum {
    GC_SUM_DELTA,
    GC_SUM_GAMMA,
    GC_SUM_THETA,
    GC_SUM_VEGA,
    GC_SUM_VANNA,
    GC_SUM_VOLGA,
    GC_SUM_CHARM,
    GC_SUM_MODEL, /* the whole move of the model's value */
    GC_SUM_AXIS,  /* the move of the price that the hedge is linear in */
    GC_SUMS
};

/* Value and Greeks at every point, as gammacore.black76 and gammacore.inverse name them. */
typedef struct {
    const double *price, *delta, *gamma, *theta, *vega, *vanna, *volga, *charm;
} gc_greeks_at;

#define GC_SUM_LANES 8 /* as many running sums of each line, so that vectors of any width give the same bits */

/* Taylor expansion of gammacore.expansion over n steps; for an inverse option (`delta` is then
 * net_delta) in X = 1/F, with the derivatives of gammacore.valuation.sensitivities. */
GC_INLINE void gc_sum_taylor(const int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *GC_RESTRICT F,
                             const double *GC_RESTRICT tau, const double *GC_RESTRICT vol,
                             const double *GC_RESTRICT rate, double (*GC_RESTRICT sums)[2])
{
    double acc[GC_SUMS][2][GC_SUM_LANES] = {{{0.0}}};
    for (ptrdiff_t i = 0; i < n; i += GC_SUM_LANES) {
        ptrdiff_t m = n - i < GC_SUM_LANES ? n - i : GC_SUM_LANES;
#define GC_ADD(line, amount)                \
    do {                                    \
        double part = (amount);             \
        acc[line][0][j] += part;            \
        acc[line][1][j] += part * r;        \
    } while (0)
#define GC_STEP(j)                                                                                     \
    do {                                                                                               \
        ptrdiff_t k = i + (j);                                                                         \
        double f = F[k], r = rate[k + 1];                                                              \
        double dX = inverse ? 1.0 / F[k + 1] - 1.0 / f : F[k + 1] - f;                                 \
        double dt = tau[k] - tau[k + 1], dv = vol[k + 1] - vol[k];                                     \
        GC_ADD(GC_SUM_DELTA, (inverse ? -f * g->delta[k] : g->delta[k]) * dX);                         \
        GC_ADD(GC_SUM_GAMMA, 0.5 * (inverse ? f * f * f * g->gamma[k] : g->gamma[k]) * (dX * dX));     \
        GC_ADD(GC_SUM_THETA, (inverse ? g->theta[k] / f : g->theta[k]) * dt);                          \
        GC_ADD(GC_SUM_VEGA, (inverse ? g->vega[k] / f : g->vega[k]) * dv);                             \
        GC_ADD(GC_SUM_VANNA, (inverse ? g->vega[k] - f * g->vanna[k] : g->vanna[k]) * (dX * dv));      \
        GC_ADD(GC_SUM_VOLGA, 0.5 * (inverse ? g->volga[k] / f : g->volga[k]) * (dv * dv));             \
        GC_ADD(GC_SUM_CHARM, (inverse ? g->theta[k] - f * g->charm[k] : g->charm[k]) * (dX * dt));     \
        GC_ADD(GC_SUM_MODEL, g->price[k + 1] - g->price[k]);                                           \
        GC_ADD(GC_SUM_AXIS, dX);                                                                       \
    } while (0)
        if (m == GC_SUM_LANES) {
            GC_INDEPENDENT
            for (int j = 0; j < GC_SUM_LANES; j++) GC_STEP(j);
        } else {
            for (int j = 0; j < (int)m; j++) GC_STEP(j);
        }
#undef GC_STEP
#undef GC_ADD
    }
    for (int line = 0; line < GC_SUMS; line++)
        for (int c = 0; c < 2; c++) {
            sums[line][c] = 0.0;
            for (int j = 0; j < GC_SUM_LANES; j++) sums[line][c] += acc[line][c][j];
        }
}

typedef void gc_taylor_summer(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F, const double *tau,
                              const double *vol, const double *rate, double (*sums)[2]);

#define GC_TAYLOR(name, attributes)                                                                          \
    static attributes void name(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F,            \
                                const double *tau, const double *vol, const double *rate, double (*sums)[2]) \
    {                                                                                                        \
        if (inverse) gc_sum_taylor(1, n, g, F, tau, vol, rate, sums);                                        \
        else gc_sum_taylor(0, n, g, F, tau, vol, rate, sums);                                                \
    }

GC_TAYLOR(gc_sum_taylor_base, )
#if GC_HAS_LEVELS
GC_TAYLOR(gc_sum_taylor_avx2, GC_TARGET_AVX2)
GC_TAYLOR(gc_sum_taylor_avx512, GC_TARGET_AVX512)
#endif

static gc_taylor_summer *gc_best_taylor(void)
{
#if GC_HAS_LEVELS
    if (gc_level_supported(GC_AVX512)) return gc_sum_taylor_avx512;
    if (gc_level_supported(GC_AVX2)) return gc_sum_taylor_avx2;
#endif
    return gc_sum_taylor_base;
}

enum { GC_HELD_HEDGE, GC_HELD_BASIS, GC_HELD_LOTS, GC_HELD_FUNDING, GC_HELD_SUMS };

/* What a hedge earned over n steps. Fill f takes place at points[f] (ascending), before the
 * step that starts there; `excess` is the part of the position that only the rounding to lots
 * added at the last fill. `interest` is NULL for a dated future. */
static void gc_sum_held(int inverse, ptrdiff_t n, const double *price, const double *forward, const double *interest,
                        const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                        const double *excess, double (*sums)[2])
{
    double held = 0.0, extra = 0.0;
    for (int s = 0; s < GC_HELD_SUMS; s++) sums[s][0] = sums[s][1] = 0.0;
    for (ptrdiff_t f = 0, k = 0; k < n;) {
        while (f < fills && points[f] <= k) {
            held += amount[f];
            extra = excess[f];
            f++;
        }
        ptrdiff_t end = f < fills && points[f] < n ? (ptrdiff_t)points[f] : n;
        double move[2] = {0.0, 0.0}, with[2] = {0.0, 0.0}, paid[2] = {0.0, 0.0};
        for (; k < end; k++) {
            double r = rate[k + 1], dP, dF;
            if (inverse) {
                dP = 1.0 / price[k] - 1.0 / price[k + 1];
                dF = (1.0 / forward[k] - 1.0 / forward[k + 1]) * (forward[k] / price[k]);
            } else {
                dP = price[k + 1] - price[k];
                dF = forward[k + 1] - forward[k];
            }
            double dI = interest ? interest[k + 1] - interest[k] : 0.0;
            move[0] += dP;
            move[1] += dP * r;
            with[0] += dF;
            with[1] += dF * r;
            paid[0] += dI;
            paid[1] += dI * r;
        }
        double wanted = held - extra;
        for (int c = 0; c < 2; c++) {
            sums[GC_HELD_HEDGE][c] += wanted * with[c];
            sums[GC_HELD_BASIS][c] += wanted * (move[c] - with[c]);
            sums[GC_HELD_LOTS][c] += extra * move[c];
            sums[GC_HELD_FUNDING][c] -= held * paid[c];
        }
    }
}

/* Adds to two curves what an episode was worth at n entries: its options, and its hedge, of which fill f
 * takes place at points[f] (ascending) and costs paid[f]. Native money is worth `rate` of the other currency,
 * in which what was put in at entry since[c] stays owed at what it was worth then. */
static void gc_add_worth(ptrdiff_t n, double *native, double *other, const double *options, const double *unit,
                         const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                         const double *paid, ptrdiff_t parts, const int64_t *since, const double *put_in,
                         const double *owed)
{
    double held = 0.0, cash = 0.0, capital = 0.0, debt = 0.0;
    for (ptrdiff_t k = 0, f = 0, c = 0; k < n;) {
        for (; f < fills && points[f] <= k; f++) {
            held += amount[f];
            cash += paid[f];
        }
        for (; c < parts && since[c] <= k; c++) {
            capital += put_in[c];
            debt += owed[c];
        }
        ptrdiff_t end = f < fills && points[f] < n ? (ptrdiff_t)points[f] : n;
        if (c < parts && since[c] < end) end = (ptrdiff_t)since[c];
        for (; k < end; k++) {
            double worth = options[k] + (unit[k] * held + cash);
            native[k] += worth;
            other[k] += worth * rate[k] + (capital * rate[k] - debt);
        }
    }
}

enum { GC_FALL_BLOCK = 64 };

/* Goes on with a curve: its highest point so far, and its deepest fall below that; passes over what is not
 * finite. */
GC_INLINE void gc_fall(ptrdiff_t n, const double *GC_RESTRICT curve, double *highest, double *deepest)
{
    double top = *highest, fall = *deepest;
    for (ptrdiff_t k = 0; k < n; k += GC_FALL_BLOCK) {
        /* Where no point is a new top, only those count that are a new depth. */
        int m = n - k < GC_FALL_BLOCK ? (int)(n - k) : GC_FALL_BLOCK;
        uint64_t bits = 0, tops = m < GC_FALL_BLOCK;
        if (!tops)
            for (int j = 0; j < GC_FALL_BLOCK; j++) {
                tops |= -(uint64_t)(curve[k + j] > top);
                bits |= gc_bit[j] & -(uint64_t)(curve[k + j] - top < fall);
            }
        if (tops) bits = ~UINT64_C(0) >> (GC_FALL_BLOCK - m);
        for (; bits; bits &= bits - 1) {
            double value = curve[k + gc_first_bit(bits)];
            if (!isfinite(value)) continue;
            if (value > top) top = value;
            if (value - top < fall) fall = value - top;
        }
    }
    *highest = top;
    *deepest = fall;
}

/* The deepest fall of a curve below its highest point so far, which starts at zero. */
static double gc_deepest_fall(ptrdiff_t n, const double *curve)
{
    double top = 0.0, fall = 0.0;
    gc_fall(n, curve, &top, &fall);
    return fall;
}

#endif
