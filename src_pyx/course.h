/* What all episodes were worth on the way, hedged in many ways: the deepest fall of their profit, and the profit at
 * some entries.
 *
 * Few entries of a tape can be an end of the deepest fall, and bounds of a block of them say which. In a block options
 * are worth nearly as much as some constant hedge of them: what is left, options + hedge * unit, hardly moves. Its
 * range is found once for all ways. A way that holds `held` is worth what it was at the block's first entry, but for
 *
 *     the range of (options + hedge * unit)  and  |held - hedge| * range of unit.
 *
 * The values at the first entries alone have a deepest fall. One of all entries that is deeper has both ends in blocks
 * whose bounds allow for it; all entries of these are looked at.
 */
#ifndef GAMMACORE_COURSE_H
#define GAMMACORE_COURSE_H

#include "held.h"
#include "lines.h"

#define GC_BLOCK 256
#define GC_SLACK 1e-12 /* of all that is added up: far more than rounding moves a sum */

/* An episode from its first entry to before its last: profit of its options, and of one unit of its hedge since
 * that was worth nothing. What it took over was taken at entry `start` for `mark`. */
typedef struct {
    ptrdiff_t first, last, start;
    const double *options, *unit;
    double mark;
} gc_holding;

/* The tape: whether each entry has a later one of its moment (NULL if none has), and the funding owed (NULL if there
 * is none). */
typedef struct {
    ptrdiff_t n;
    int inverse;
    const unsigned char *more;
    const double *owed;
} gc_tape;

/* A holding in a block: what it is at the first entry, the range of options + hedge * unit from there, and how far
 * the unit goes. */
typedef struct {
    double options, unit, hedge, low, high, sway;
} gc_span;

/* Entries between which no episode begins or ends: how many have ended, and those open, which are among the episodes
 * from `over` to before `begun`, with a span each from `first` on. */
typedef struct {
    ptrdiff_t from, to, over, begun, ended, first;
    int finite; /* are the spans */
} gc_block;

/* What all ways have in common. Episodes ascend by their first entry, order[j] is the j-th to end; the profit is asked
 * for at `entries`, which ascend. */
typedef struct {
    gc_tape tape;
    ptrdiff_t episodes, blocks, asked;
    const gc_holding *holding;
    const int64_t *order, *entries;
    const gc_block *block;
    const gc_span *span;
} gc_common;

/* Where one episode is: its next trade, and what it holds after those before. */
typedef struct {
    const gc_fill *next, *end;
    double held, cash;
} gc_holder;

/* Bounds of what all were worth in a block, and the lowest from there on. */
typedef struct {
    double low, high, later;
} gc_bounds;

/* Memory for one way at a time: for each episode, for each span and for each block. */
typedef struct {
    gc_holder *at, *state;
    gc_bounds *bounds;
} gc_room;

/* One way to hedge: its trades, what of each episode came, and what those earned that have ended so far. */
typedef struct {
    const gc_fill *fills;
    const gc_outcome *out;
    const double *so_far;
    double fall, *shown;
} gc_course;

/* ---- blocks ----------------------------------------------------------------------- */

/* The hedge after which the least is left, by least squares; nought if there is none. */
static double gc_best_hedge(ptrdiff_t n, const double *options, const double *unit)
{
    double both = 0.0, square = 0.0, x = 0.0, y = 0.0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double dx = unit[j] - unit[0], dy = options[j] - options[0];
        x += dx;
        y += dy;
        both += dx * dy;
        square += dx * dx;
    }
    double hedge = -(both - x * y / (double)n) / (square - x * x / (double)n);
    return isfinite(hedge) ? hedge : 0.0;
}

/* Finds a span; 0 if something of it is not finite. */
static int gc_find_span(ptrdiff_t n, const double *options, const double *unit, gc_span *found)
{
    double hedge = gc_best_hedge(n, options, unit), first = options[0] + hedge * unit[0];
    double low = 0.0, high = 0.0, sway = 0.0, size = 0.0;
    int finite = 1;
    for (ptrdiff_t j = 0; j < n; j++) {
        double left = options[j] + hedge * unit[j] - first, moved = fabs(unit[j] - unit[0]);
        finite &= isfinite(left) != 0;
        low = left < low ? left : low;
        high = left > high ? left : high;
        sway = moved > sway ? moved : sway;
        size = fabs(options[j]) > size ? fabs(options[j]) : size;
    }
    double largest = fabs(unit[0]) + sway, slack = GC_SLACK * (size + fabs(hedge) * largest);
    gc_span span = {options[0], unit[0], hedge, low - slack, high + slack, sway + GC_SLACK * largest};
    *found = span;
    return finite;
}

/* Whether an episode is open in a block; so may be none but those from `over` to before `begun`. */
GC_INLINE int gc_open(const gc_common *all, const gc_block *b, ptrdiff_t episode)
{
    return all->holding[episode].last > b->from;
}

/* Cuts the tape into blocks, and finds the spans of those open in each. Without room (NULL) for them only says how
 * many blocks and spans there are. */
static void gc_find_blocks(const gc_common *all, gc_block *block, gc_span *span, ptrdiff_t *blocks, ptrdiff_t *spans)
{
    const gc_holding *h = all->holding;
    ptrdiff_t n = all->episodes;
    gc_block b = {0, 0, 0, 0, 0, 0, 1};
    for (*blocks = *spans = 0; b.from < all->tape.n; b.from = b.to, *blocks += 1) {
        while (b.begun < n && h[b.begun].first <= b.from) b.begun++;
        while (b.over < b.begun && !gc_open(all, &b, b.over)) b.over++;
        while (b.ended < n && h[all->order[b.ended]].last <= b.from) b.ended++;
        b.to = b.from + GC_BLOCK < all->tape.n ? b.from + GC_BLOCK : all->tape.n;
        if (b.begun < n && h[b.begun].first < b.to) b.to = h[b.begun].first;
        if (b.ended < n && h[all->order[b.ended]].last < b.to) b.to = h[all->order[b.ended]].last;
        b.first = *spans;
        b.finite = 1;
        for (ptrdiff_t k = b.over; k < b.begun; k++) {
            if (!gc_open(all, &b, k)) continue;
            ptrdiff_t at = b.from - h[k].first, s = (*spans)++;
            if (span) b.finite &= gc_find_span(b.to - b.from, h[k].options + at, h[k].unit + at, &span[s]);
        }
        if (block) block[*blocks] = b;
    }
}

/* ---- trades ----------------------------------------------------------------------- */

/* Cash that a trade brings, reckoned as if its funding had been paid since the accumulator was nought. */
GC_INLINE double gc_brought(const gc_tape *tape, const gc_holding *h, ptrdiff_t entry, double amount, double cash)
{
    return tape->owed ? cash + amount * tape->owed[entry < h->last ? entry : h->last] : cash;
}

/* Of entries of one moment, a replay books a trade with the last. */
GC_INLINE ptrdiff_t gc_traded_at(const gc_tape *tape, const gc_fill *fill)
{
    ptrdiff_t k = fill->at < tape->n ? (ptrdiff_t)fill->at : tape->n - 1;
    while (tape->more && tape->more[k]) k++;
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
        at->cash += gc_brought(tape, h, entry, fill->amount, fill->cash);
    }
    return to;
}

/* Puts every episode where it begins. */
static void gc_begin(const gc_common *all, const gc_course *c, gc_holder *at)
{
    const gc_fill *next = c->fills;
    for (ptrdiff_t k = 0; k < all->episodes; k++) {
        const gc_holding *h = &all->holding[k];
        double received = c->out[k].received, cash = gc_traded_cash(all->tape.inverse, received, h->mark, 0.0);
        gc_holder begun = {next, next + c->out[k].trades, received, 0.0};
        if (received != 0.0) begun.cash = gc_brought(&all->tape, h, h->start, received, cash);
        at[k] = begun;
        next = begun.end;
    }
}

/* ---- what they were worth --------------------------------------------------------- */

/* What the episodes earned that have ended; of none -0.0, which changes no number. */
GC_INLINE double gc_earned(const gc_course *c, const gc_block *b) { return b->ended ? c->so_far[b->ended - 1] : -0.0; }

/* Adds what an episode was worth at the entries from `from` to before `to`, if it was `at` one before. */
GC_INLINE void gc_add_holding(const gc_tape *tape, const gc_holding *h, gc_holder at, ptrdiff_t from, ptrdiff_t to,
                              double *GC_RESTRICT curve)
{
    for (ptrdiff_t k = from; k < to;) {
        ptrdiff_t end = gc_take_trades(tape, h, &at, k, to);
        const double *GC_RESTRICT options = h->options + (k - h->first), *GC_RESTRICT unit = h->unit + (k - h->first);
        double *GC_RESTRICT target = curve + (k - from);
        for (ptrdiff_t j = 0; j < end - k; j++) target[j] += options[j] + (unit[j] * at.held + at.cash);
        k = end;
    }
}

/* What all were worth at the entries from `from` to before `to` of a block, at whose first they were at `state`. */
GC_INLINE void gc_add_all(const gc_common *all, const gc_course *c, const gc_block *b, const gc_holder *state,
                          ptrdiff_t from, ptrdiff_t to, double *GC_RESTRICT curve)
{
    double earned = gc_earned(c, b);
    state += b->first;
    for (ptrdiff_t j = 0; j < to - from; j++) curve[j] = 0.0;
    for (ptrdiff_t k = b->over; k < b->begun; k++)
        if (gc_open(all, b, k)) gc_add_holding(&all->tape, &all->holding[k], *state++, from, to, curve);
    for (ptrdiff_t j = 0; j < to - from; j++) curve[j] += earned;
}

/* Adds what an episode was worth at the first entry of a block to a value, and its bounds there to others. */
GC_INLINE gc_holder gc_add_bounds(const gc_tape *tape, const gc_holding *h, gc_holder at, const gc_block *b,
                                  const gc_span *s, double *value, gc_bounds *bounds)
{
    double low = INFINITY, high = -INFINITY;
    for (ptrdiff_t k = b->from; k < b->to;) {
        ptrdiff_t end = gc_take_trades(tape, h, &at, k, b->to);
        double worth = s->options + (s->unit * at.held + at.cash);
        double reach = s->sway * fabs(at.held - s->hedge) + GC_SLACK * fabs(at.cash);
        double least = worth + s->low - reach, most = worth + s->high + reach;
        if (k == b->from) *value += worth;
        low = low < least ? low : least; /* of not a number: so are all after it */
        high = high > most ? high : most;
        k = end;
    }
    bounds->low += low;
    bounds->high += high;
    return at;
}

/* Lowest and highest of a curve; of what is finite. */
static gc_bounds gc_range_of(ptrdiff_t n, const double *curve)
{
    gc_bounds found = {INFINITY, -INFINITY, 0.0};
    for (ptrdiff_t j = 0; j < n; j++) {
        if (!isfinite(curve[j])) continue;
        found.low = curve[j] < found.low ? curve[j] : found.low;
        found.high = curve[j] > found.high ? curve[j] : found.high;
    }
    return found;
}

/* Finds the bounds of every block, and where each episode is at its first entry. Returns the deepest fall of the values
 * there, and of all where a span is not finite. */
GC_INLINE double gc_bound(const gc_common *all, const gc_course *c, const gc_room *room)
{
    double curve[GC_BLOCK], top = 0.0, fall = 0.0;
    for (ptrdiff_t k = 0; k < all->blocks; k++) {
        const gc_block *b = &all->block[k];
        double earned = gc_earned(c, b), slack = GC_SLACK * fabs(earned), value = 0.0;
        gc_bounds found = {earned - slack, earned + slack, 0.0};
        for (ptrdiff_t e = b->over, s = b->first; e < b->begun; e++) {
            if (!gc_open(all, b, e)) continue;
            room->state[s] = room->at[e];
            room->at[e] = gc_add_bounds(&all->tape, &all->holding[e], room->at[e], b, &all->span[s], &value, &found);
            s++;
        }
        if (b->finite && found.low <= found.high) {
            value += earned;
            gc_fall(1, &value, &top, &fall);
        } else {
            gc_add_all(all, c, b, room->state, b->from, b->to, curve);
            gc_fall(b->to - b->from, curve, &top, &fall);
            found = gc_range_of(b->to - b->from, curve);
        }
        room->bounds[k] = found;
    }
    return fall;
}

/* Finds the deepest fall of one way, and its profit where it is asked for. */
GC_INLINE void gc_pass(const gc_common *all, gc_course *c, const gc_room *room)
{
    gc_begin(all, c, room->at);
    double curve[GC_BLOCK], top = 0.0, later = INFINITY, fall = gc_bound(all, c, room);
    gc_bounds *bounds = room->bounds;
    for (ptrdiff_t k = all->blocks - 1; k >= 0; k--) {
        later = bounds[k].low < later ? bounds[k].low : later;
        bounds[k].later = later;
    }
    for (ptrdiff_t k = 0, shown = 0; k < all->blocks; k++) {
        const gc_block *b = &all->block[k];
        if (bounds[k].low - top < fall || bounds[k].later - bounds[k].high < fall) {
            gc_add_all(all, c, b, room->state, b->from, b->to, curve);
            gc_fall(b->to - b->from, curve, &top, &fall);
        }
        for (; shown < all->asked && all->entries[shown] < b->to; shown++)
            gc_add_all(all, c, b, room->state, all->entries[shown], all->entries[shown] + 1, &c->shown[shown]);
    }
    c->fall = fall;
}

typedef void gc_courser(const gc_common *all, ptrdiff_t ways, gc_course *course, const gc_room *room);

#define GC_COURSER(name, attributes)                                                                          \
    static attributes void name(const gc_common *all, ptrdiff_t ways, gc_course *course, const gc_room *room) \
    {                                                                                                         \
        for (ptrdiff_t c = 0; c < ways; c++) gc_pass(all, &course[c], room);                                  \
    }

GC_EACH_LEVEL(GC_COURSER, gc_course)

static gc_courser *gc_best_courser(void) { return GC_WIDEST(gc_course); }

#endif
