/* Many hedges of the same options: every episode hedged anew, and what all were worth on the way.
 */
#ifndef GAMMACORE_HELD_H
#define GAMMACORE_HELD_H

#include <string.h>

#include "lines.h"
#include "walk.h"

/* ---- hedging -------------------------------------------------------------------- */

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
        return gc_keep(fills, sizeof(gc_fill), life->at, &t);
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

/* ---- what it was worth ------------------------------------------------------------ */

/* An episode from its first entry to before its last: profit of its options, and of one unit of its hedge since
 * that was worth nothing. What it took over was taken at entry `start` for `mark`. */
typedef struct {
    ptrdiff_t first, last, start;
    const double *options, *unit;
    double mark;
} gc_holding;

/* The tape: whether each entry has a later one of its moment, and the funding owed (NULL if there is none). */
typedef struct {
    ptrdiff_t n;
    int inverse;
    const unsigned char *more;
    const double *owed;
} gc_tape;

/* Where one episode is: its next trade, and what it holds after those before. */
typedef struct {
    const gc_fill *next, *end;
    double held, cash;
} gc_holder;

/* One way to hedge: its trades that no episode has yet, what of each came, what those earned that have ended so far,
 * and the highest and the deepest so far. */
typedef struct {
    const gc_fill *fills;
    const gc_outcome *out;
    const double *so_far;
    gc_holder *at;
    double top, fall, *shown;
} gc_course;

/* Which episodes are open: from `over` to before `begun`; how many have ended, and how many entries been shown. */
typedef struct {
    ptrdiff_t over, begun, ended, shown;
} gc_place;

/* Cash that a trade brings, reckoned as if its funding had been paid since the accumulator was nought. */
GC_INLINE double gc_brought(const gc_tape *tape, const gc_holding *h, ptrdiff_t entry, double amount, double price,
                            double fee)
{
    double cash = amount * (tape->inverse ? 1.0 / price : -price) - fee;
    return tape->owed ? cash + amount * tape->owed[entry < h->last ? entry : h->last] : cash;
}

/* Of entries of one moment, a replay books a trade with the last. */
GC_INLINE ptrdiff_t gc_traded_at(const gc_tape *tape, const gc_fill *fill)
{
    ptrdiff_t k = fill->at < tape->n ? (ptrdiff_t)fill->at : tape->n - 1;
    while (tape->more[k]) k++;
    return k;
}

/* Puts trades up to entry k into what an episode holds; the entry of the next, at most `to`. */
GC_INLINE ptrdiff_t gc_take_trades(const gc_tape *tape, const gc_holding *h, gc_holder *at, ptrdiff_t k, ptrdiff_t to)
{
    for (; at->next < at->end; at->next++) {
        const gc_fill *fill = at->next;
        ptrdiff_t entry = gc_traded_at(tape, fill);
        if (entry > k) return entry < to ? entry : to;
        at->held += fill->amount;
        at->cash += gc_brought(tape, h, entry, fill->amount, fill->price, fill->fee);
    }
    return to;
}

#define GC_LANES 8

/* Adds what an episode was worth at the entries from `from` to before `to`. Where it is `alone`, a constant, it
 * writes that and what was `earned` before, whole vectors past the next trade, after which it writes again. */
GC_INLINE void gc_add_holding(const gc_tape *tape, const gc_holding *h, gc_holder *at, ptrdiff_t from, ptrdiff_t to,
                              const int alone, double earned, double *GC_RESTRICT curve)
{
    to = to < h->last ? to : h->last;
    for (ptrdiff_t k = from < h->first ? h->first : from; k < to;) {
        ptrdiff_t end = gc_take_trades(tape, h, at, k, to), m = end - k, most = h->last - k, i = 0;
        const double *GC_RESTRICT options = h->options + (k - h->first), *GC_RESTRICT unit = h->unit + (k - h->first);
        double held = at->held, cash = at->cash, *GC_RESTRICT target = curve + (k - from);
        if (alone) {
            for (; i < m && i + GC_LANES <= most; i += GC_LANES)
                for (ptrdiff_t j = i; j < i + GC_LANES; j++) target[j] = options[j] + (unit[j] * held + cash) + earned;
            for (; i < m; i++) target[i] = options[i] + (unit[i] * held + cash) + earned;
        } else {
            for (; i < m; i++) target[i] += options[i] + (unit[i] * held + cash);
        }
        k = end;
    }
}

#define GC_COURSE 1024 /* entries at a time: few enough to stay in the nearest memory */

static inline gc_holder gc_begin_holding(const gc_tape *tape, const gc_holding *h, const gc_fill *first,
                                         const gc_outcome *out)
{
    double received = out->received;
    gc_holder at = {first, first + out->trades, received, 0.0};
    if (received != 0.0) at.cash = gc_brought(tape, h, h->start, received, h->mark, 0.0);
    return at;
}

/* The one episode that is open at all entries from `from` to before `to` while none other is, and none ends; -1 if
 * there is no such. */
static inline ptrdiff_t gc_alone(ptrdiff_t n, const gc_holding *h, const int64_t *order, const gc_place *place,
                                 ptrdiff_t from, ptrdiff_t to)
{
    ptrdiff_t one = -1;
    for (ptrdiff_t k = place->over; k < place->begun; k++)
        if (h[k].last > from) {
            if (one >= 0) return -1;
            one = k;
        }
    int whole = one >= 0 && h[one].first <= from && h[one].last >= to;
    return whole && (place->ended == n || h[order[place->ended]].last >= to) ? one : -1;
}

/* Adds all episodes that are open and what those earned that have ended. */
GC_INLINE void gc_add_all(const gc_tape *tape, ptrdiff_t n, const gc_holding *h, const int64_t *order, gc_course *c,
                          gc_place place, ptrdiff_t from, ptrdiff_t to, double *GC_RESTRICT curve)
{
    for (ptrdiff_t k = 0; k < to - from; k++) curve[k] = 0.0;
    for (ptrdiff_t k = place.over; k < place.begun; k++)
        if (h[k].last > from) gc_add_holding(tape, &h[k], &c->at[k], from, to, 0, 0.0, curve);
    for (ptrdiff_t k = from, end; k < to; k = end) {
        while (place.ended < n && h[order[place.ended]].last <= k) place.ended++;
        end = place.ended < n && h[order[place.ended]].last < to ? h[order[place.ended]].last : to;
        if (place.ended) {
            double earned = c->so_far[place.ended - 1];
            for (ptrdiff_t j = k; j < end; j++) curve[j - from] += earned;
        }
    }
}

/* Goes on with one way over the entries from `from` to before `to`. */
GC_INLINE void gc_pass(const gc_tape *tape, ptrdiff_t n, const gc_holding *h, const int64_t *order, gc_course *c,
                       gc_place place, ptrdiff_t from, ptrdiff_t to, ptrdiff_t m, const int64_t *entries)
{
    double curve[GC_COURSE + GC_LANES];
    for (; place.begun < n && h[place.begun].first < to; place.begun++) {
        c->at[place.begun] = gc_begin_holding(tape, &h[place.begun], c->fills, &c->out[place.begun]);
        c->fills = c->at[place.begun].end;
    }
    while (place.ended < n && h[order[place.ended]].last <= from) place.ended++;
    ptrdiff_t alone = gc_alone(n, h, order, &place, from, to);
    if (alone >= 0) {
        double earned = place.ended ? c->so_far[place.ended - 1] : -0.0; /* which changes no number */
        gc_add_holding(tape, &h[alone], &c->at[alone], from, to, 1, earned, curve);
    } else {
        gc_add_all(tape, n, h, order, c, place, from, to, curve);
    }
    gc_fall(to - from, curve, &c->top, &c->fall);
    for (; place.shown < m && entries[place.shown] < to; place.shown++)
        c->shown[place.shown] = curve[entries[place.shown] - from];
}

/* Profit of all episodes on the way, in the settlement currency: finds its deepest fall, and shows it at `m`
 * entries that ascend. order[j] is the j-th episode to end, and those up to it earned so_far[j]. */
GC_INLINE void gc_pass_all(const gc_tape *tape, ptrdiff_t n, const gc_holding *h, const int64_t *order, ptrdiff_t ways,
                           gc_course *course, ptrdiff_t m, const int64_t *entries)
{
    gc_place place = {0, 0, 0, 0};
    for (ptrdiff_t from = 0, to; from < tape->n; from = to) {
        to = from + GC_COURSE < tape->n ? from + GC_COURSE : tape->n;
        for (ptrdiff_t c = 0; c < ways; c++) gc_pass(tape, n, h, order, &course[c], place, from, to, m, entries);
        while (place.begun < n && h[place.begun].first < to) place.begun++;
        while (place.over < place.begun && h[place.over].last <= to) place.over++;
        while (place.ended < n && h[order[place.ended]].last < to) place.ended++;
        while (place.shown < m && entries[place.shown] < to) place.shown++;
    }
}

typedef void gc_courser(const gc_tape *tape, ptrdiff_t n, const gc_holding *h, const int64_t *order, ptrdiff_t ways,
                        gc_course *course, ptrdiff_t m, const int64_t *entries);

#define GC_COURSER(name, attributes)                                                                          \
    static attributes void name(const gc_tape *tape, ptrdiff_t n, const gc_holding *h, const int64_t *order,  \
                                ptrdiff_t ways, gc_course *course, ptrdiff_t m, const int64_t *entries)       \
    {                                                                                                         \
        gc_pass_all(tape, n, h, order, ways, course, m, entries);                                             \
    }

GC_EACH_LEVEL(GC_COURSER, gc_course)

static gc_courser *gc_best_courser(void) { return GC_WIDEST(gc_course); }

#endif
