/* Implied volatility over arrays. See block_loops.h for how to include this file.
 */
#include "block_loops.h"
#include "implied.h"

/* ---- implied volatility --------------------------------------------------------------- */

/* Lanes outside tier 1: gathered, one vectorised tier-2 step, and tier 3 for the rest. */
static GC_TARGET void GC_LOOP(gc_iv_remaining)(const int *lane, int count, const double *x, const double *l,
                                               const double *value, const double *small, double *total)
{
    double gx[GC_BLOCK], gl[GC_BLOCK], c[GC_BLOCK], guess[GC_BLOCK], step[GC_BLOCK];
    for (int j = 0; j < count; j++) {
        gx[j] = x[lane[j]];
        gl[j] = l[lane[j]];
        c[j] = value[lane[j]] / small[lane[j]];
    }
    GC_INDEPENDENT
    for (int j = 0; j < count; j++) guess[j] = gc_iv_guess(gx[j], gl[j]);
    GC_INDEPENDENT
    for (int j = 0; j < count; j++) step[j] = gc_iv_step_tails(gx[j], c[j], guess[j]);
    for (int j = 0; j < count; j++) {
        int i = lane[j];
        if (!gc_iv_guess_holds(gx[j], gl[j], guess[j])) {
            total[i] = gc_iv_iterate(gx[j], gl[j], value[i], small[i]);
        } else if (gc_in_tails(gx[j], guess[j])) {
            total[i] = step[j];
        } else {
            total[i] = gc_iv_step_series(gx[j], c[j], guess[j]);
        }
    }
}

/* `status` may be NULL. */
static GC_TARGET void GC_LOOP(gc_implied_vol)(int model, const gc_inputs *in, ptrdiff_t n, double *GC_RESTRICT out,
                                              signed char *GC_RESTRICT status)
{
    GC_LOOP(gc_block) b;
    double x[GC_BLOCK], l[GC_BLOCK], value[GC_BLOCK], small[GC_BLOCK], code[GC_BLOCK], total[GC_BLOCK];
    int lane[GC_BLOCK + 1];
    GC_LOOP(gc_open)(&b, in, n);
    for (ptrdiff_t start = 0; start < n; start += GC_BLOCK) {
        int m = n - start < GC_BLOCK ? (int)(n - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, start, m);
        const double *GC_RESTRICT forward = b.forward, *GC_RESTRICT strike = b.strike;
        const double *GC_RESTRICT tau = b.tau, *GC_RESTRICT quote = b.vol;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            gc_iv_problem p = gc_iv_reduce(b.theta[i], quote[i], forward[i], strike[i], tau[i], b.df[i]);
            x[i] = p.x;
            l[i] = p.l;
            value[i] = p.time_value;
            small[i] = p.small;
            code[i] = p.status;
        }
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) total[i] = gc_iv_explicit(x[i], l[i]);
        int count = 0;
        for (int i = 0; i < m; i++) {
            lane[count] = i;
            count += (code[i] == GC_IV_OK) & !gc_iv_explicit_holds(x[i], l[i], total[i]);
        }
        if (count) GC_LOOP(gc_iv_remaining)(lane, count, x, l, value, small, total);
        double *GC_RESTRICT target = out + start;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) target[i] = total[i] / sqrt(tau[i]) + gc_iv_poison(code[i]);
        if (status)
            for (int i = 0; i < m; i++) status[start + i] = (signed char)code[i];
        GC_LOOP(gc_advance)(&b, in, m);
    }
}
