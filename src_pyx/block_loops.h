/* Inputs of the array loops, in blocks that stay in the first-level cache.
 *
 * black_loops.h and implied_loops.h include this file; a C file takes one of them, once
 * per instruction set, with GC_SUFFIX set to a name suffix and GC_TARGET to the function
 * attributes of that set (may be empty). Each loop does one stage over one block and has
 * no branch, so that plain -O3 vectorises it.
 *
 * Every input is an array or one value for all lanes (step 0). Outputs must not overlap
 * inputs. A lane's result depends on that lane alone, bit for bit: regimes are chosen
 * per lane, and a block that mixes them is sorted first.
 */
#include "inputs.h"
#include "normal.h"

#ifndef GC_LOOP
#define GC_BLOCK 256
#define GC_LOOP(name) GC_JOIN(name, GC_SUFFIX)
#endif

/* One block of inputs. A constant column is spread once and then stays. */
typedef struct {
    double theta[GC_BLOCK], spread[6][GC_BLOCK];
    double forward_store[GC_BLOCK], df[GC_BLOCK], growth[GC_BLOCK];
    const double *underlying, *forward, *strike, *tau, *vol, *rate, *dividend;
} GC_LOOP(gc_block);

static GC_TARGET const double *GC_LOOP(gc_spread)(gc_column column, double *store, ptrdiff_t n)
{
    if (column.step) return column.data;
    int m = n < GC_BLOCK ? (int)n : GC_BLOCK;
    for (int i = 0; i < m; i++) store[i] = column.data[0];
    return store;
}

static GC_TARGET void GC_LOOP(gc_open)(GC_LOOP(gc_block) *b, const gc_inputs *in, ptrdiff_t n)
{
    int m = n < GC_BLOCK ? (int)n : GC_BLOCK;
    b->underlying = GC_LOOP(gc_spread)(in->underlying, b->spread[0], n);
    b->strike = GC_LOOP(gc_spread)(in->strike, b->spread[1], n);
    b->tau = GC_LOOP(gc_spread)(in->tau, b->spread[2], n);
    b->vol = GC_LOOP(gc_spread)(in->vol, b->spread[3], n);
    b->rate = GC_LOOP(gc_spread)(in->rate, b->spread[4], n);
    b->dividend = GC_LOOP(gc_spread)(in->dividend, b->spread[5], n);
    if (!in->kind_step)
        for (int i = 0; i < m; i++) b->theta[i] = (double)in->kind[0];
}

/* Forward and discount factor of m lanes starting at lane `start`. A rate that is not
 * finite makes the discount factor NaN, and with it every result. */
static GC_TARGET void GC_LOOP(gc_load)(GC_LOOP(gc_block) *b, const gc_inputs *in, int model, ptrdiff_t start, int m)
{
    const double *GC_RESTRICT underlying = b->underlying, *GC_RESTRICT tau = b->tau;
    const double *GC_RESTRICT rate = b->rate, *GC_RESTRICT dividend = b->dividend;
    double *GC_RESTRICT df = b->df;
    if (in->kind_step)
        for (int i = 0; i < m; i++) b->theta[i] = (double)in->kind[start + i];
    b->forward = underlying;
    if (model == GC_INVERSE) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) df[i] = 1.0 / underlying[i];
        return;
    }
    if (in->rate.step == 0 && rate[0] == 0.0)
        for (int i = 0; i < m; i++) df[i] = 1.0;
    else
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) df[i] = gc_exp(-rate[i] * tau[i]) + (fabs(rate[i]) <= DBL_MAX ? 0.0 : NAN);
    if (model == GC_BLACK_SCHOLES) {
        double *GC_RESTRICT growth = b->growth, *GC_RESTRICT forward = b->forward_store;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) growth[i] = gc_exp((rate[i] - dividend[i]) * tau[i]);
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) forward[i] = underlying[i] * growth[i];
        b->forward = forward;
    }
}

static GC_TARGET void GC_LOOP(gc_advance)(GC_LOOP(gc_block) *b, const gc_inputs *in, int m)
{
    b->underlying += in->underlying.step * m;
    b->strike += in->strike.step * m;
    b->tau += in->tau.step * m;
    b->vol += in->vol.step * m;
    b->rate += in->rate.step * m;
    b->dividend += in->dividend.step * m;
}
