/* One hedge walked over runs of bars: when its trigger fires, what is traded, and the trades kept.
 *
 * The arithmetic of a trade is in replay.h. All that looks for decisions is compiled into its callers, for every
 * instruction set: between two decisions there are few bars, and a call costs as much.
 */
#ifndef GAMMACORE_WALK_H
#define GAMMACORE_WALK_H

#include <stdlib.h>

#include "bits.h"
#include "replay.h"

/* ---- trades --------------------------------------------------------------------- */

/* All of a trade, for the books. */
typedef struct {
    int64_t at;
    double wanted, amount, price, mark, fee;
    int64_t maker, funding[2], realised[2], paid[2];
} gc_row;

/* As much of it as says what the hedge earned: in the settlement currency, before funding. */
typedef struct {
    int64_t at;
    double amount, cash;
} gc_fill;

/* Rows or fills, as `size` says; grows by doubling. */
typedef struct {
    char *data;
    ptrdiff_t count, room;
} gc_trades;

GC_INLINE double gc_traded_cash(int inverse, double amount, double price, double fee)
{
    return amount * (inverse ? 1.0 / price : -price) - fee;
}

/* Keeps one trade more; -2 without memory. `size` is a constant. */
GC_INLINE int gc_keep(gc_trades *all, size_t size, int inverse, ptrdiff_t at, const gc_trade *t)
{
    if (all->count == all->room) {
        ptrdiff_t room = all->room ? 2 * all->room : 64;
        char *grown = (char *)realloc(all->data, (size_t)room * size);
        if (!grown) return -2;
        all->data = grown;
        all->room = room;
    }
    void *place = all->data + (size_t)all->count++ * size;
    if (size == sizeof(gc_fill)) {
        gc_fill fill = {at, t->amount, gc_traded_cash(inverse, t->amount, t->price, t->fee)};
        *(gc_fill *)place = fill;
    } else {
        gc_row row = {at,       t->wanted, t->amount, t->price, t->mark, t->fee, t->maker, {t->funding[0], t->funding[1]},
                      {t->realised[0], t->realised[1]}, {t->paid[0], t->paid[1]}};
        *(gc_row *)place = row;
    }
    return 0;
}

/* ---- one run -------------------------------------------------------------------- */

/* Lowest and highest delta and price of GC_STRETCH bars. */
typedef struct {
    double low, high, cheap, dear;
} gc_range;

/* Bars from an entry of the tape on, all of one contract. Trades count theirs from `offset`; `value` of the
 * options is read where the equity counts as delta. `ranges`, if not NULL, are those of its stretches. */
typedef struct {
    ptrdiff_t n, entry, offset;
    const int64_t *ts_ns;
    const double *price, *rate, *interest, *options, *value;
    const gc_range *ranges;
    const gc_contract *contract;
} gc_run;

/* Delta to trade at a bar as a user's rule has it; not 0 if the rule raised. */
typedef int gc_asked(void *rule, ptrdiff_t bar, double mismatch, int64_t last_ns, double last_price, double *delta);

/* What calls for a trade, and for which. */
typedef struct {
    int kind, per_bar, centre, own_equity;
    int64_t every;
    const double *below, *above;
    double target;
    void *rule; /* NULL: what the trigger itself would trade */
    gc_asked *ask;
} gc_plan;

/* ---- looking for the next decision ------------------------------------------------ */

#define GC_STRETCH 32

/* `price` is only read for an inverse contract. */
#define GC_Y(option, price) ((option) + (inverse ? amount / (price) : amount) - target)

/* Which of m bars have options + hedge outside [-below, above], a bit each. No branch inside, so that it
 * vectorises; what is the same for all bars is a constant of each copy that the compiler makes. */
GC_INLINE uint64_t gc_outside(const double *GC_RESTRICT options, const double *GC_RESTRICT price,
                             const double *GC_RESTRICT below, const double *GC_RESTRICT above, const int per_bar,
                             double amount, const int inverse, double target, const int m)
{
    double high = above[0], low = -below[0];
    uint64_t bits = 0;
    for (int j = 0; j < m; j++) {
        double y = GC_Y(options[j], price[j]);
        int out = (y > (per_bar ? above[j] : high)) | (y < (per_bar ? -below[j] : low));
        bits |= gc_bit[j] & -(uint64_t)out;
    }
    return bits;
}

/* Whether some bar of a stretch may be outside: rounding keeps the order of numbers, so none is that its
 * lowest and highest deltas are not. */
GC_INLINE int gc_may_leave(const gc_range *range, double below, double above, double amount, const int inverse,
                           double target)
{
    int longs = amount > 0.0;
    return GC_Y(range->high, longs ? range->cheap : range->dear) > above
           || GC_Y(range->low, longs ? range->dear : range->cheap) < -below;
}
#undef GC_Y

/* First bar from i on at which options + hedge is outside a band, or n. `per_bar` and `inverse` are constants. */
GC_INLINE ptrdiff_t gc_scan(const gc_run *r, const gc_plan *plan, const int per_bar, double amount, const int inverse,
                            ptrdiff_t i)
{
    const gc_range *ranges = per_bar ? NULL : r->ranges;
    const double *below = plan->below, *above = plan->above;
    double target = plan->target;
    ptrdiff_t n = r->n, k = i; /* where the first stretch starts: the next trade is often near */
    for (; k + GC_STRETCH <= n; k = (k / GC_STRETCH + 1) * GC_STRETCH) {
        if (ranges && k > i && !gc_may_leave(&ranges[k / GC_STRETCH], *below, *above, amount, inverse, target)) continue;
        ptrdiff_t edge = per_bar ? k : 0;
        uint64_t bits = gc_outside(r->options + k, r->price + k, below + edge, above + edge, per_bar, amount, inverse,
                                   target, GC_STRETCH);
        if (bits) return k + gc_first_bit(bits);
    }
    if (k < n) {
        ptrdiff_t edge = per_bar ? k : 0;
        uint64_t bits = gc_outside(r->options + k, r->price + k, below + edge, above + edge, per_bar, amount, inverse,
                                   target, (int)(n - k));
        if (bits) return k + gc_first_bit(bits);
    }
    return n;
}

/* Finds the ranges of a run, one for each whole stretch. */
static void gc_look_through(gc_run *r, gc_range *ranges)
{
    for (ptrdiff_t k = 0; (k + 1) * GC_STRETCH <= r->n; k++) {
        gc_range found = {INFINITY, -INFINITY, INFINITY, -INFINITY};
        for (ptrdiff_t i = k * GC_STRETCH; i < (k + 1) * GC_STRETCH; i++) {
            double option = r->options[i], price = r->price[i];
            found.low = option < found.low ? option : found.low;
            found.high = option > found.high ? option : found.high;
            found.cheap = price < found.cheap ? price : found.cheap;
            found.dear = price > found.dear ? price : found.dear;
        }
        ranges[k] = found;
    }
    r->ranges = ranges;
}

GC_INLINE ptrdiff_t gc_next_outside(const gc_run *r, const gc_plan *plan, double amount, ptrdiff_t i)
{
    if (r->contract->inverse)
        return plan->per_bar ? gc_scan(r, plan, 1, amount, 1, i) : gc_scan(r, plan, 0, amount, 1, i);
    return plan->per_bar ? gc_scan(r, plan, 1, amount, 0, i) : gc_scan(r, plan, 0, amount, 0, i);
}

/* First bar from i on at which the price has moved far enough from the last one, or n. */
static ptrdiff_t gc_next_move(const gc_run *r, const gc_plan *plan, double last, ptrdiff_t i)
{
    if (isnan(last)) return i;
    for (; i < r->n; i++) {
        double moved = plan->kind == GC_MOVE_USD        ? r->price[i] - last
                       : plan->kind == GC_MOVE_RELATIVE ? r->price[i] / last - 1.0
                                                        : log(r->price[i] / last);
        if (fabs(moved) > plan->above[plan->per_bar ? i : 0]) return i;
    }
    return r->n;
}

/* First bar from i on at least `every` after the last decision, or n; times ascend. */
static ptrdiff_t gc_next_due(const gc_run *r, int64_t last, int64_t every, ptrdiff_t i)
{
    ptrdiff_t low = i, high = r->n;
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if (r->ts_ns[middle] - last >= every) high = middle;
        else low = middle + 1;
    }
    return low;
}

/* As gc_next_outside, where the equity counts as delta. */
static ptrdiff_t gc_next_unequal(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i)
{
    for (; i < r->n; i++) {
        ptrdiff_t edge = plan->per_bar ? i : 0;
        double y = r->options[i] + gc_delta(r->contract->inverse, p->amount, r->price[i])
                   + (r->value[i] + gc_worth(p, r->contract, r->price[i], r->interest[i])) - plan->target;
        if (y > plan->above[edge] || y < -plan->below[edge]) break;
    }
    return i;
}

GC_INLINE ptrdiff_t gc_next_decision(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i)
{
    if (plan->kind == GC_EVERY) return gc_next_due(r, p->last_ns, plan->every, i);
    if (plan->kind != GC_OUTSIDE) return gc_next_move(r, plan, p->last_price, i);
    return plan->own_equity ? gc_next_unequal(r, plan, p, i) : gc_next_outside(r, plan, p->amount, i);
}

typedef ptrdiff_t gc_finder(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i);

#define GC_FINDER(name, attributes)                                                                          \
    static attributes ptrdiff_t name(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i)  \
    {                                                                                                        \
        return gc_next_decision(r, plan, p, i);                                                              \
    }

GC_EACH_LEVEL(GC_FINDER, gc_find)

/* The widest that this CPU has; all find the same bar. */
static gc_finder *gc_best_finder(void) { return GC_WIDEST(gc_find); }

/* ---- walking -------------------------------------------------------------------- */

/* Delta to trade at bar i; not 0 if a rule raised. */
GC_INLINE int gc_decide(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i, double *delta)
{
    double y = r->options[i] + gc_delta(r->contract->inverse, p->amount, r->price[i]) - plan->target;
    if (plan->own_equity) y += r->value[i] + gc_worth(p, r->contract, r->price[i], r->interest[i]);
    if (plan->rule) return plan->ask(plan->rule, i, y, p->last_ns, p->last_price, delta);
    ptrdiff_t edge = plan->per_bar ? i : 0;
    *delta = plan->centre || plan->kind != GC_OUTSIDE ? -y
             : (y > 0.0 ? plan->above[edge] : -plan->below[edge]) - y;
    return 0;
}

/* Walks a run; how often the trigger fired, -1 if a rule raised, -2 without memory for the trades. */
GC_INLINE ptrdiff_t gc_walk_run(gc_position *held, const gc_run *r, const gc_plan *plan, const gc_working *w,
                                gc_trades *all, size_t size)
{
    gc_position p = *held; /* which no pointer reaches, so that it is kept in registers */
    ptrdiff_t decisions = 0;
    for (ptrdiff_t i = 0; (i = gc_next_decision(r, plan, &p, i)) < r->n; i++) {
        gc_trade t;
        double delta;
        if (gc_decide(r, plan, &p, i, &delta)) return -1;
        decisions++;
        p.last_ns = r->ts_ns[i];
        p.last_price = r->price[i];
        int traded = gc_execute(&p, r->contract, w, delta, r->price[i], r->rate[i], r->interest[i], r->ts_ns[i],
                                r->entry + i, &t, size == sizeof(gc_row));
        if (traded && gc_keep(all, size, r->contract->inverse, r->offset + i, &t)) return -2;
    }
    *held = p;
    return decisions;
}

/* The same of a band for a taker, with what is then the same for all bars as constants. */
GC_INLINE ptrdiff_t gc_walk_band(gc_position *held, const gc_run *r, const gc_plan *plan, const gc_working *w,
                                 gc_trades *all, size_t size, const int inverse)
{
    gc_contract contract = *r->contract;
    contract.inverse = inverse;
    gc_run run = *r;
    run.contract = &contract;
    gc_plan band = *plan;
    band.kind = GC_OUTSIDE;
    band.per_bar = band.own_equity = 0;
    band.rule = NULL;
    gc_working taker = *w;
    taker.tactics = GC_TAKER;
    return gc_walk_run(held, &run, &band, &taker, all, size);
}

GC_INLINE ptrdiff_t gc_walk(gc_position *held, const gc_run *r, const gc_plan *plan, const gc_working *w,
                            gc_trades *all, size_t size)
{
    int band = plan->kind == GC_OUTSIDE && !plan->per_bar && !plan->own_equity && !plan->rule;
    if (band && w->tactics == GC_TAKER)
        return r->contract->inverse ? gc_walk_band(held, r, plan, w, all, size, 1)
                                    : gc_walk_band(held, r, plan, w, all, size, 0);
    return gc_walk_run(held, r, plan, w, all, size);
}

typedef ptrdiff_t gc_walker(gc_position *p, const gc_run *r, const gc_plan *plan, const gc_working *w, gc_trades *rows);

#define GC_WALKER(name, attributes)                                                                           \
    static attributes ptrdiff_t name(gc_position *p, const gc_run *r, const gc_plan *plan, const gc_working *w,  \
                                     gc_trades *rows)                                                         \
    {                                                                                                         \
        return gc_walk(p, r, plan, w, rows, sizeof(gc_row));                                                  \
    }

GC_EACH_LEVEL(GC_WALKER, gc_walk_rows)

static gc_walker *gc_best_walker(void) { return GC_WIDEST(gc_walk_rows); }

#endif
