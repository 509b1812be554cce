/* Many hedges of the same options: every episode hedged anew. What all were worth on the way is in course.h.
 */
#ifndef GAMMACORE_HELD_H
#define GAMMACORE_HELD_H

#include <string.h>

#include "walk.h"

/* An episode: how many runs of bars it is hedged over, what it starts with, and how its hedge ends. */
typedef struct {
    ptrdiff_t runs, at; /* `at`: entry at which it is unwound */
    int64_t cash[2];
    double price, interest;     /* at its start */
    int heir, hands_on, closed; /* takes the hedge before it over; leaves its own to the next; ended at all */
    int64_t end_ns;
    double last_price, last_rate, last_interest;
    const gc_contract *closing; /* with the fees of its end */
} gc_life;

/* What came of it. Money in units of the settlement currency: the change of cash, fees, and of an episode that
 * never ended what its hedge was worth in it, and the funding since the last payment. */
typedef struct {
    double gained, fees, marked, accrued;
    double received;        /* amount taken over */
    int64_t trades, hedges; /* unwinding is a trade, and no hedge */
} gc_outcome;

static int gc_end_life(const gc_life *life, gc_position *p, gc_trades *fills, double *handed)
{
    gc_trade t;
    const gc_contract *c = life->closing;
    *handed = 0.0;
    if (p->amount == 0.0) return 0;
    if (life->closed && !life->hands_on) {
        double quote = gc_quote(c, -p->amount, life->last_price, gc_half_spread(c, life->end_ns));
        gc_close(p, c, quote, life->last_price, life->last_rate, life->last_interest, c->taker_fee, c->taker_rounded, &t, 0);
        return gc_keep(fills, sizeof(gc_fill), c->inverse, life->at, &t);
    }
    *handed = gc_close(p, c, life->last_price, life->last_price, life->last_rate, life->last_interest, 0.0, 1, &t, 0);
    return 0;
}

GC_INLINE int gc_hedge_life(const gc_life *life, const gc_run *run, const gc_plan *plan, ptrdiff_t plans,
                            const gc_working *w, gc_trades *fills, double *handed, gc_outcome *out)
{
    int native = life->closing->inverse ? 0 : 1;
    ptrdiff_t before = fills->count;
    gc_position p = {0};
    p.average = p.last_price = NAN;
    p.interest = life->interest;
    memcpy(p.cash, life->cash, sizeof p.cash);
    out->received = life->heir ? *handed : 0.0;
    if (out->received != 0.0) {
        p.amount = out->received;
        p.average = life->price;
    }
    for (ptrdiff_t k = 0; k < life->runs; k++) {
        ptrdiff_t found = gc_walk(&p, &run[k], &plan[plans > 1 ? k : 0], w, fills, sizeof(gc_fill));
        if (found < 0) return (int)found;
    }
    out->hedges = fills->count - before;
    int64_t pnl = p.pnl[native], funding = p.funding[native];
    if (gc_end_life(life, &p, fills, handed)) return -2;
    out->trades = fills->count - before;
    out->gained = (double)(-p.pnl[native] - p.fees[native] - p.funding[native]);
    out->fees = (double)p.fees[native];
    out->marked = life->closed ? 0.0 : (double)(pnl - p.pnl[native]);
    out->accrued = life->closed ? 0.0 : (double)(p.funding[native] - funding);
    return 0;
}

/* One way to hedge them all: by one plan or by one for each run; `handed` is on its way from one to the next. */
typedef struct {
    const gc_plan *plan;
    ptrdiff_t plans;
    double handed;
    gc_trades *fills;
    gc_outcome *out;
} gc_way;

/* Hedges all episodes in some ways; one after another, so that its bars stay near. -1 if a rule raised, -2 without
 * memory. */
GC_INLINE int gc_hedge_all(ptrdiff_t n, const gc_life *life, const gc_run *run, ptrdiff_t ways, gc_way *way,
                           const gc_working *w)
{
    for (ptrdiff_t k = 0, first = 0; k < n; first += life[k++].runs)
        for (ptrdiff_t c = 0; c < ways; c++) {
            gc_way *one = &way[c];
            const gc_plan *plan = one->plan + (one->plans > 1 ? first : 0);
            int failed =
                gc_hedge_life(&life[k], run + first, plan, one->plans, w, one->fills, &one->handed, &one->out[k]);
            if (failed) return failed;
        }
    return 0;
}

typedef int gc_hedger(ptrdiff_t n, const gc_life *life, const gc_run *run, ptrdiff_t ways, gc_way *way,
                      const gc_working *w);

#define GC_HEDGER(name, attributes)                                                                      \
    static attributes int name(ptrdiff_t n, const gc_life *life, const gc_run *run, ptrdiff_t ways,      \
                               gc_way *way, const gc_working *w)                                         \
    {                                                                                                    \
        return gc_hedge_all(n, life, run, ways, way, w);                                                 \
    }

GC_EACH_LEVEL(GC_HEDGER, gc_hedge_lives)

static gc_hedger *gc_best_hedger(void) { return GC_WIDEST(gc_hedge_lives); }

#endif
