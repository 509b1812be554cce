/* Sums over a path of the lines of an option, in the settlement currency and in the other.
 *
 * gammacore.attribution keeps every step of every line when somebody asks; most ask for the
 * totals alone, which these loops reach without storing a step. tests/test_attribution_sums.py
 * holds the two together.
 *
 * The settlement currency's amount of a step counts in the other currency at the rate of the
 * step's end. Step k runs from point k to point k + 1.
 */
#ifndef GAMMACORE_TAYLOR_H
#define GAMMACORE_TAYLOR_H

#include <stddef.h>

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

/* Running sums of every line, both currencies. */
typedef struct {
    double acc[GC_SUMS][2][GC_SUM_LANES];
} gc_taylor;

/* Adds the Taylor expansion of gammacore.expansion over n steps, as many as fill the lanes unless they are the
 * last; for an inverse option (`delta` is then net_delta) in X = 1/F, with the derivatives of
 * gammacore.valuation.sensitivities. */
GC_INLINE void gc_sum_taylor(const int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *GC_RESTRICT F,
                             const double *GC_RESTRICT tau, const double *GC_RESTRICT vol,
                             const double *GC_RESTRICT rate, gc_taylor *GC_RESTRICT all)
{
    gc_taylor here = *all;
    double(*acc)[2][GC_SUM_LANES] = here.acc;
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
    *all = here;
}

static inline void gc_end_taylor(const gc_taylor *all, double (*sums)[2])
{
    for (int line = 0; line < GC_SUMS; line++)
        for (int c = 0; c < 2; c++) {
            sums[line][c] = 0.0;
            for (int j = 0; j < GC_SUM_LANES; j++) sums[line][c] += all->acc[line][c][j];
        }
}

typedef void gc_taylor_summer(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F, const double *tau,
                              const double *vol, const double *rate, gc_taylor *all);

#define GC_TAYLOR(name, attributes)                                                                          \
    static attributes void name(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F,            \
                                const double *tau, const double *vol, const double *rate, gc_taylor *all)    \
    {                                                                                                        \
        if (inverse) gc_sum_taylor(1, n, g, F, tau, vol, rate, all);                                         \
        else gc_sum_taylor(0, n, g, F, tau, vol, rate, all);                                                 \
    }

GC_EACH_LEVEL(GC_TAYLOR, gc_sum_taylor)

static gc_taylor_summer *gc_best_taylor(void) { return GC_WIDEST(gc_sum_taylor); }

#endif
