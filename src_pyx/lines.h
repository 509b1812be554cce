/* Sums over a path of the lines of a hedge, in the settlement currency and in the other; see taylor.h.
 *
 * The settlement currency's amount of a step counts in the other currency at the rate of the
 * step's end. Step k runs from point k to point k + 1.
 */
#ifndef GAMMACORE_LINES_H
#define GAMMACORE_LINES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "portable.h"

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

enum { GC_COST_FEES, GC_COST_SPREAD, GC_COST_SUMS };

/* Adds what fills cost on the way: their fees, and that they were filled away from the mark. A fill belongs to the
 * step that ends at its point, or to the first or the last of the n steps. */
static void gc_sum_costs(int inverse, ptrdiff_t n, const double *rate, ptrdiff_t fills, const int64_t *points,
                         const double *amount, const double *price, const double *mark, const double *fee,
                         double (*sums)[2])
{
    for (ptrdiff_t f = 0; f < fills; f++) {
        int64_t end = points[f] < 1 ? 1 : points[f];
        double r = rate[end > n ? n : end];
        double slipped = amount[f] * (inverse ? 1.0 / price[f] - 1.0 / mark[f] : mark[f] - price[f]);
        sums[GC_COST_FEES][0] -= fee[f];
        sums[GC_COST_FEES][1] -= fee[f] * r;
        sums[GC_COST_SPREAD][0] += slipped;
        sums[GC_COST_SPREAD][1] += slipped * r;
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

/* More lanes than gcc would unroll, which it then would not vectorise. */
enum { GC_FALL_LANES = 32, GC_FALL_BLOCK = 8 * GC_FALL_LANES };

/* Lowest and highest number of a block; without any, infinities of the wrong sign. */
GC_INLINE void gc_extremes(const double *GC_RESTRICT curve, double *lowest, double *highest)
{
    double low[GC_FALL_LANES], high[GC_FALL_LANES];
    for (int j = 0; j < GC_FALL_LANES; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
    }
    for (int k = 0; k < GC_FALL_BLOCK; k += GC_FALL_LANES)
        for (int j = 0; j < GC_FALL_LANES; j++) {
            low[j] = curve[k + j] < low[j] ? curve[k + j] : low[j];
            high[j] = curve[k + j] > high[j] ? curve[k + j] : high[j];
        }
    *lowest = low[0];
    *highest = high[0];
    for (int j = 1; j < GC_FALL_LANES; j++) {
        *lowest = low[j] < *lowest ? low[j] : *lowest;
        *highest = high[j] > *highest ? high[j] : *highest;
    }
}

/* Goes on with a curve: its highest point so far, and its deepest fall below that; passes over what is not
 * finite. */
GC_INLINE void gc_fall(ptrdiff_t n, const double *GC_RESTRICT curve, double *highest, double *deepest)
{
    double top = *highest, fall = *deepest, low, high;
    for (ptrdiff_t k = 0; k < n; k += GC_FALL_BLOCK) {
        ptrdiff_t end = k + GC_FALL_BLOCK < n ? k + GC_FALL_BLOCK : n;
        if (end == k + GC_FALL_BLOCK) {
            gc_extremes(curve + k, &low, &high);
            if (low > -INFINITY && high <= top) { /* no new top */
                fall = low - top < fall ? low - top : fall;
                continue;
            }
            if (low - high >= fall) { /* no new depth, whichever came first */
                top = high;
                continue;
            }
        }
        for (ptrdiff_t j = k; j < end; j++) {
            if (!isfinite(curve[j])) continue;
            if (curve[j] > top) top = curve[j];
            if (curve[j] - top < fall) fall = curve[j] - top;
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
