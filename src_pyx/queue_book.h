/* The book of one instrument along a recorded feed, and our place in its queues.
 *
 * A feed is a sequence of messages; each is one or more changes of levels (the new amount of a price) or trades,
 * the last of them marked. Prices are ticks, amounts what the exchange counts in.
 *
 * Our place. An order is put behind everything at its price. Trades at the price first take what is ahead, then
 * us. Other decreases are cancellations, ahead of us or behind: with a ahead and b behind, a share
 * 1 - f(b)/(f(a) + f(b)) of them is ahead, f(x) = x^power. Power 1 is pro rata; a larger one, as was fitted to
 * order-level data, has more cancelled behind; `GC_BEHIND_ALL` has all of them behind.
 * The amount of a level that a trade has taken is told twice, by the trade and by the level: what trades took
 * since the level was last told is no cancellation. An order is filled whole where a trade is told beyond its
 * price, or the other side's best reaches it.
 * A message tells what has changed in the window of its channel, and not when. Others cancel evenly in it: of the
 * cancellations that the message after a trade tells, a share came before the trade, by its time in the window.
 * A trade with an order that is in no level (`GC_OWN`) is not told again by its level.
 * Nothing is filled while the book is not known: after a gap until it is told whole, and while it is crossed.
 *
 * R. Cont, S. Stoikov, R. Talreja, Operations Research 58 (2010) 549-563, for queues as what is modelled;
 * the power law of cancellations: nkaz001's hftbacktest, documentation of its queue models.
 */
#ifndef GAMMACORE_QUEUE_BOOK_H
#define GAMMACORE_QUEUE_BOOK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { GC_BIDS, GC_ASKS, GC_BUY_TRADE, GC_SELL_TRADE, GC_CLEAR, GC_GAP, GC_FEED_KINDS };
enum { GC_LAST = 0x80, GC_OWN = 0x40 };              /* of a message; a trade with an order that no level has */
enum { GC_AT_END, GC_AT_FILL, GC_AT_EDGE };          /* why gc_advance stopped; an edge needs wider arrays */
enum { GC_CROSSED, GC_LOST, GC_OUTSIDE, GC_COUNTS }; /* what was counted and not filled through */

#define GC_MOST_ORDERS 64
#define GC_MOST_FILLS 1024
#define GC_NO_TICK INT64_MIN
#define GC_BEHIND_ALL (-1.0)

typedef struct {
    int side; /* GC_BIDS: we buy */
    int live;
    int64_t tick;
    double left, ahead;
    double traded, gone; /* since its level was told: what it will tell again; of that, by cancellations */
} gc_order;

typedef struct {
    int64_t ts;
    int order;
    int64_t tick;
    double amount;
} gc_fill;

typedef struct {
    double *amount[2], *taken[2]; /* of each tick; taken by us since the level was told */
    int64_t base, size;
    int64_t best[2], reached[2]; /* best prices, and those of the message before */
    double lot, power;
    int64_t window, told; /* of a message, and when the last one was told */
    int known, crossed;
    int64_t counts[GC_COUNTS];
    gc_order order[GC_MOST_ORDERS];
    int orders, resting[2];
} gc_book;

typedef struct {
    const int64_t *ts;
    const uint8_t *kind;
    const int32_t *tick;
    const double *amount;
    ptrdiff_t n;
} gc_feed;

static inline int gc_better(int side, int64_t one, int64_t other)
{
    return side == GC_BIDS ? one > other : one < other;
}

/* Best price of a side once its level at the best is gone. */
static inline int64_t gc_next_best(const gc_book *b, int side)
{
    int64_t i = b->best[side] - b->base;
    if (side == GC_BIDS) {
        while (--i >= 0)
            if (b->amount[side][i] > 0.0) return b->base + i;
    } else {
        while (++i < b->size)
            if (b->amount[side][i] > 0.0) return b->base + i;
    }
    return GC_NO_TICK;
}

/* Share of cancellations that are behind us. */
static inline double gc_behind(double ahead, double behind, double power)
{
    if (power == GC_BEHIND_ALL) return 1.0;
    double f = pow(behind, power), share = f / (f + pow(ahead, power));
    return isfinite(share) ? share : 1.0;
}

/* Part of a level is cancelled, in front of an order and behind it. */
static inline void gc_cancelled(gc_order *o, double level, double gone, double power)
{
    double behind = level - o->ahead, share = gc_behind(o->ahead, fmax(behind, 0.0), power);
    double over = behind - share * gone; /* more cannot go behind than is there */
    o->ahead -= (1.0 - share) * gone - fmin(over, 0.0);
}

static inline void gc_level_told(gc_order *o, double before, double now, double power)
{
    double gone = before - now - o->traded;
    o->traded = o->gone = 0.0;
    if (gone > 0.0) gc_cancelled(o, before, gone, power);
    o->ahead = fmin(o->ahead, now);
}

static inline void gc_set_level(gc_book *b, int side, int64_t tick, double amount)
{
    int64_t i = tick - b->base;
    double before = b->amount[side][i];
    if (amount < 0.5 * b->lot) amount = 0.0;
    b->amount[side][i] = amount;
    b->taken[side][i] = 0.0;
    for (int k = 0; b->resting[side] && k < b->orders; k++) {
        gc_order *o = &b->order[k];
        if (o->live && o->side == side && o->tick == tick) gc_level_told(o, before, amount, b->power);
    }
    if (amount > 0.0) {
        if (b->best[side] == GC_NO_TICK || gc_better(side, tick, b->best[side])) b->best[side] = tick;
    } else if (tick == b->best[side]) {
        b->best[side] = gc_next_best(b, side);
    }
}

static inline void gc_filled(gc_book *b, int k, double amount, int64_t ts, gc_fill *fills, int *count)
{
    gc_order *o = &b->order[k];
    gc_fill f = {ts, k, o->tick, amount};
    fills[(*count)++] = f;
    o->left -= amount;
    if (o->left < 0.5 * b->lot) o->live = 0, b->resting[o->side]--;
}

static inline int gc_kind(const gc_feed *f, ptrdiff_t i)
{
    return f->kind[i] & ~(GC_LAST | GC_OWN);
}

/* Cancelled at an order's price by the time of trade i there, of what the next message tells and no trade took. */
static inline double gc_gone_by(const gc_book *b, const gc_order *o, const gc_feed *f, ptrdiff_t i)
{
    double level = b->amount[o->side][o->tick - b->base], left = level - o->traded;
    for (ptrdiff_t j = i; j < f->n && f->ts[j] - f->ts[i] < b->window; j++) {
        int kind = gc_kind(f, j), here = f->tick[j] == o->tick;
        if (kind > GC_SELL_TRADE) return 0.0;
        if (kind > GC_ASKS) {
            if (here && kind == gc_kind(f, i) && !(f->kind[j] & GC_OWN)) left -= f->amount[j];
            continue;
        }
        if (here && kind == o->side) level = f->amount[j];
        if (f->kind[j] & GC_LAST) {
            int64_t end = f->ts[j], start = end - b->window > b->told ? end - b->window : b->told;
            double share = end > start ? (double)(f->ts[i] - start) / (double)(end - start) : 1.0;
            return fmax(share * (left - level + o->gone) - o->gone, 0.0);
        }
    }
    return 0.0;
}

/* Our orders on the side that trade i took from. */
static inline void gc_trade(gc_book *b, int side, const gc_feed *f, ptrdiff_t i, gc_fill *fills, int *count)
{
    int64_t tick = f->tick[i], ts = f->ts[i];
    double amount = f->amount[i];
    for (int k = 0; b->resting[side] && k < b->orders; k++) {
        gc_order *o = &b->order[k];
        if (!o->live || o->side != side) continue;
        if (gc_better(side, o->tick, tick)) {
            gc_filled(b, k, o->left, ts, fills, count);
        } else if (o->tick == tick) {
            double gone = gc_gone_by(b, o, f, i);
            if (gone > 0.0) gc_cancelled(o, b->amount[side][tick - b->base] - o->traded, gone, b->power);
            o->gone += gone, o->traded += gone;
            o->ahead -= amount;
            if (!(f->kind[i] & GC_OWN)) o->traded += amount;
            double lots = nearbyint(-o->ahead / b->lot);
            if (lots > 0.0) {
                o->ahead = 0.0;
                gc_filled(b, k, fmin(fmin(lots * b->lot, amount), o->left), ts, fills, count);
            }
        }
    }
}

/* Orders that the other side's best has reached. */
static inline void gc_reach(gc_book *b, int side, int64_t ts, gc_fill *fills, int *count)
{
    int64_t other = b->best[1 - side];
    for (int k = 0; b->resting[side] && other != GC_NO_TICK && k < b->orders; k++) {
        gc_order *o = &b->order[k];
        if (o->live && o->side == side && !gc_better(side, other, o->tick)) gc_filled(b, k, o->left, ts, fills, count);
    }
}

/* Put all orders behind their levels: where they are is not known any longer. */
static inline void gc_behind_again(gc_book *b)
{
    for (int k = 0; k < b->orders; k++) {
        gc_order *o = &b->order[k];
        if (o->live) o->ahead = b->amount[o->side][o->tick - b->base], o->traded = o->gone = 0.0;
    }
}

static inline void gc_message_ends(gc_book *b, int64_t ts, gc_fill *fills, int *count)
{
    int crossed = b->best[GC_BIDS] != GC_NO_TICK && b->best[GC_ASKS] != GC_NO_TICK && b->best[GC_BIDS] >= b->best[GC_ASKS];
    if (crossed && !b->crossed) b->counts[GC_CROSSED]++;
    if (b->crossed && !crossed) gc_behind_again(b);
    b->crossed = crossed;
    if (crossed || b->known != 1) return;
    for (int side = 0; side < 2; side++) {
        if (b->best[1 - side] != b->reached[1 - side]) gc_reach(b, side, ts, fills, count);
    }
    b->reached[GC_BIDS] = b->best[GC_BIDS], b->reached[GC_ASKS] = b->best[GC_ASKS];
}

/* Follow the feed from *at to the last event not after `until`, or to the end of a message that filled us. */
static inline int gc_advance(gc_book *b, const gc_feed *f, ptrdiff_t *at, int64_t until, gc_fill *fills, int *count)
{
    ptrdiff_t i = *at;
    *count = 0;
    for (; i < f->n && f->ts[i] <= until; i++) {
        int kind = gc_kind(f, i);
        int64_t tick = f->tick[i];
        if (kind <= GC_ASKS) {
            if (tick < b->base || tick >= b->base + b->size) {
                if (f->amount[i] > 0.0) {
                    *at = i;
                    return GC_AT_EDGE;
                }
            } else {
                gc_set_level(b, kind, tick, f->amount[i]);
            }
        } else if (kind <= GC_SELL_TRADE) {
            int side = kind == GC_BUY_TRADE ? GC_ASKS : GC_BIDS; /* whose orders are taken */
            int64_t other = b->best[1 - side];
            int counts = b->known == 1 && !b->crossed;
            if (counts && (other == GC_NO_TICK || gc_better(1 - side, tick, other)))
                gc_trade(b, side, f, i, fills, count);
            else
                b->counts[GC_OUTSIDE] += counts; /* on the other side of the book: one of both is old */
        } else {
            for (int side = 0; side < 2; side++) {
                memset(b->amount[side], 0, (size_t)b->size * sizeof(double));
                memset(b->taken[side], 0, (size_t)b->size * sizeof(double));
                b->best[side] = b->reached[side] = GC_NO_TICK;
            }
            if (kind == GC_GAP) b->counts[GC_LOST] += b->known;
            b->known = kind == GC_CLEAR ? 2 : 0; /* 2: being told whole */
        }
        if (f->kind[i] & GC_LAST) {
            if (b->known == 2) gc_behind_again(b), b->known = 1;
            gc_message_ends(b, f->ts[i], fills, count);
            if (kind != GC_BUY_TRADE && kind != GC_SELL_TRADE) b->told = f->ts[i];
        }
        if (*count && (f->kind[i] & GC_LAST || *count > GC_MOST_FILLS - GC_MOST_ORDERS)) {
            *at = i + 1;
            return GC_AT_FILL;
        }
    }
    *at = i;
    return GC_AT_END;
}

/* Take what is shown up to a limit; returns what is left. Fills carry the levels. */
static inline double gc_take(gc_book *b, int side, int64_t limit, double amount, gc_fill *fills, int most, int *count)
{
    int from = 1 - side; /* a buyer takes asks */
    int64_t tick = b->best[from];
    *count = 0;
    while (tick != GC_NO_TICK && !gc_better(from, limit, tick) && amount > 0.5 * b->lot && *count < most) {
        int64_t i = tick - b->base;
        double there = fmin(b->amount[from][i] - b->taken[from][i], amount);
        if (there > 0.5 * b->lot) {
            gc_fill f = {0, -1, tick, there};
            fills[(*count)++] = f;
            b->taken[from][i] += there;
            amount -= there;
        }
        for (i += side == GC_BIDS ? 1 : -1; i >= 0 && i < b->size && b->amount[from][i] <= 0.0; i += side == GC_BIDS ? 1 : -1) {}
        tick = i >= 0 && i < b->size ? b->base + i : GC_NO_TICK;
    }
    return amount;
}

#endif
