/* One hedge position walked over a run of prices: decisions, fills, and the ledger's arithmetic.
 *
 * Mirrors, operation by operation, what gammacore.desk, gammacore.backtest.replay.fills,
 * gammacore.portfolio and gammacore.ledger do in Python at the same bar, so that either gives the
 * same amounts, prices and balances; tests/test_engines.py holds them together. Money is kept
 * as the ledger keeps it, in integer units of 1e-8 of coin and of USD.
 */
#ifndef GAMMACORE_REPLAY_H
#define GAMMACORE_REPLAY_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "portable.h"
#include "resting.h"
#include "simd.h"

#define GC_UNITS 1e8
#define GC_DUST 1e-12      /* of a coin: see gammacore.tolerances */
#define GC_CLOSED 1e-12    /* see gammacore.portfolio */

enum { GC_EVERY, GC_OUTSIDE, GC_MOVE_USD, GC_MOVE_RELATIVE, GC_MOVE_LOG };

/* How a hedge is worked: at once at the other side, at the own side first, or always at the own side. */
enum { GC_TAKER, GC_POST_ONLY, GC_MAKER };

#define GC_HOURS 24
#define GC_NS_PER_SECOND 1000000000
#define GC_NS_PER_HOUR (3600 * (int64_t)GC_NS_PER_SECOND)

/* The contract, its costs and its grid; tick and lot are fractions of whole numbers. */
typedef struct {
    int inverse, perpetual, on_grid, taker_rounded, maker_rounded; /* fees of a schedule are rounded */
    int one_spread; /* the half spread is the same at all hours, which saves asking for the hour */
    double half_spread[GC_HOURS], taker_fee, maker_fee; /* by the hour of the day, UTC */
    double tick_num, tick_den, lot_num, lot_den, grid_rtol;
} gc_contract;

/* The bar after each entry, by its end, close, high and low (NaN where they say nothing), the price that they
 * are moves of, and the variance of a second; see resting.h. Arrays of one length. */
typedef struct {
    int tactics;
    uint64_t seed;
    double patience, looks; /* seconds */
    const int64_t *ends;
    const double *from, *close, *high, *low, *variance;
} gc_working;

typedef struct {
    double amount, average, interest; /* average NaN when flat */
    int64_t cash[2], pnl[2], fees[2], funding[2]; /* debit balances: coin, USD */
    int64_t postings;
    double last_price;
    int64_t last_ns;
} gc_position;

typedef struct {
    double wanted, amount, price, mark, fee;
    int maker;
    int64_t funding[2], realised[2], paid[2];
} gc_trade;

/* ---- money ---------------------------------------------------------------------- */

/* Nearest integer, ties to even: adding 1.5 * 2^52 leaves no room for a fraction. Without the
 * library call that the baseline instruction set needs for nearbyint. */
GC_INLINE double gc_nearest(double x)
{
    const double shift = 6755399441055744.0;
    return fabs(x) < 2251799813685248.0 ? (x + shift) - shift : nearbyint(x);
}

/* round-half-even of amount * 1e8, as Python's round */
GC_INLINE int64_t gc_units(double amount) { return (int64_t)gc_nearest(amount * GC_UNITS); }

/* as contracts.to_units: what is within 1e-6 of a tie is one, and goes to the even unit */
GC_INLINE double gc_round_coin(double amount)
{
    double scaled = amount * GC_UNITS, halves = gc_nearest(2.0 * scaled);
    double near_tie = fabs(2.0 * scaled - halves) < 1e-6 ? halves / 2.0 : scaled;
    return gc_nearest(near_tie) / GC_UNITS;
}

/* Moves `amount` (native currency) from one account to another; `moved` gets both currencies. Unless `both`, a
 * constant, the native one alone is kept. */
GC_INLINE void gc_post(int inverse, double rate, double amount, int64_t *to, int64_t *from, int64_t *moved,
                       int64_t *postings, const int both)
{
    int native = inverse ? 0 : 1;
    *postings += 1;
    moved[0] = moved[1] = 0;
    if (amount == 0.0) return;
    int64_t units = gc_units(amount);
    moved[native] = units;
    to[native] += units;
    from[native] -= units;
    if (!both || !units) return;
    int64_t other = (int64_t)gc_nearest(inverse ? (double)units * rate : (double)units / rate);
    moved[1 - native] = other;
    to[1 - native] += other;
    from[1 - native] -= other;
}

/* ---- grid ----------------------------------------------------------------------- */

GC_INLINE double gc_round_amount(const gc_contract *c, double amount)
{
    if (!c->on_grid) return amount;
    double lots = gc_nearest(fabs(amount) * c->lot_den / c->lot_num) * c->lot_num / c->lot_den;
    return amount > 0.0 ? lots : -lots;
}

GC_INLINE double gc_half_spread(const gc_contract *c, int64_t ts_ns)
{
    if (c->one_spread) return c->half_spread[0];
    return c->half_spread[(ts_ns / GC_NS_PER_HOUR) % GC_HOURS];
}

/* The other side's best price: up when buying, down when selling; a price on the grid stays. Of -amount it is
 * the own side's, at which an order rests. */
GC_INLINE double gc_quote(const gc_contract *c, double amount, double mark, double half_spread)
{
    double price = mark * (1.0 + copysign(half_spread, amount));
    if (!c->on_grid) return price;
    double count = price * c->tick_den / c->tick_num, nearest = gc_nearest(count);
    int whole = fabs(count - nearest) <= c->grid_rtol * (count > 1.0 ? count : 1.0);
    double ticks = whole ? nearest : amount > 0.0 ? ceil(count) : floor(count);
    return ticks * c->tick_num / c->tick_den;
}

/* ---- position ------------------------------------------------------------------- */

GC_INLINE double gc_delta(int inverse, double amount, double price) { return inverse ? amount / price : amount; }

GC_INLINE double gc_profit(int inverse, double amount, double from, double to)
{
    if (amount == 0.0) return 0.0;
    return inverse ? amount * (1.0 / from - 1.0 / to) : amount * (to - from);
}

/* Adds `amount` at `price`, returns the profit that this realises. */
GC_INLINE double gc_trade_position(gc_position *p, int inverse, double amount, double price)
{
    double closing = 0.0;
    if (p->amount * amount < 0.0) {
        double size = fabs(amount) < fabs(p->amount) ? fabs(amount) : fabs(p->amount);
        closing = copysign(size, p->amount);
    }
    double realised = gc_profit(inverse, closing, p->average, price);
    double kept = p->amount - closing, opened = amount + closing, total = kept + opened;
    if (fabs(total) < GC_CLOSED * (fabs(p->amount) > 1.0 ? fabs(p->amount) : 1.0)) total = 0.0;
    if (total == 0.0) p->average = NAN;
    else if (kept == 0.0) p->average = price;
    else if (opened != 0.0)
        p->average = inverse ? total / (kept / p->average + opened / price)
                             : (kept * p->average + opened * price) / total;
    p->amount = total;
    return realised;
}

/* Worth of cash and hedge in the native currency, after the funding owed. */
GC_INLINE double gc_worth(const gc_position *p, const gc_contract *c, double price, double interest)
{
    double worth = (double)p->cash[c->inverse ? 0 : 1] / GC_UNITS + gc_profit(c->inverse, p->amount, p->average, price);
    return c->perpetual && p->amount != 0.0 ? worth - p->amount * (interest - p->interest) : worth;
}

/* Whether an order that rests at `own` when the mark is `mark` fills at entry `i`; `missed` is the mean move
 * towards it if it does not. */
static int gc_rests(const gc_working *w, int buys, double own, double mark, int64_t ts_ns, ptrdiff_t i,
                    double *missed)
{
    double side = buys ? 1.0 : -1.0, from = w->from[i], reach = buys ? w->low[i] : w->high[i];
    double chance = gc_rest(fmax(side * (1.0 - own / mark), 0.0), side * (1.0 - w->close[i] / from),
                            (double)(w->ends[i] - ts_ns) / GC_NS_PER_SECOND, w->variance[i],
                            side * (1.0 - reach / from), w->patience, w->looks, missed);
    return gc_drawn(w->seed, ts_ns, buys) < chance;
}

/* Price at which an order of `amount` fills at entry `i`, and whether as a maker: what the steps of
 * gammacore.execution.working come to between two bars. */
GC_INLINE double gc_work(const gc_contract *c, const gc_working *w, double amount, double mark, int64_t ts_ns,
                         ptrdiff_t i, int *maker)
{
    double half = gc_half_spread(c, ts_ns), side = amount > 0.0 ? 1.0 : -1.0, missed;
    *maker = 0;
    if (w->tactics == GC_TAKER) return gc_quote(c, amount, mark, half);
    double own = gc_quote(c, -amount, mark, half);
    *maker = 1;
    if (w->tactics == GC_MAKER) return own;
    if (gc_rests(w, amount > 0.0, own, mark, ts_ns, i, &missed)) return own;
    *maker = 0;
    return gc_quote(c, amount, mark * (1.0 - side * missed), half);
}

/* Books a trade of `amount` at `price`, with the funding owed until then, and says what it was. */
GC_INLINE void gc_book(gc_position *p, const gc_contract *c, double amount, double price, double mark, double rate,
                       double interest, double fee, gc_trade *t, const int both)
{
    double owed = c->perpetual && p->amount != 0.0 ? p->amount * (interest - p->interest) : 0.0;
    gc_post(c->inverse, rate, owed, p->funding, p->cash, t->funding, &p->postings, both);
    p->interest = interest;
    gc_post(c->inverse, rate, gc_trade_position(p, c->inverse, amount, price), p->cash, p->pnl, t->realised,
            &p->postings, both);
    gc_post(c->inverse, rate, fee, p->fees, p->cash, t->paid, &p->postings, both);
    t->amount = amount;
    t->price = price;
    t->mark = mark;
    t->fee = fee;
}

/* Executes an order for `delta` coins at entry `i`; returns whether anything was traded. */
GC_INLINE int gc_execute(gc_position *p, const gc_contract *c, const gc_working *w, double delta, double mark,
                         double rate, double interest, int64_t ts_ns, ptrdiff_t i, gc_trade *t, const int both)
{
    double wanted = c->inverse ? delta * mark : delta;
    double amount = gc_round_amount(c, wanted);
    if (fabs(delta) < GC_DUST || amount == 0.0) return 0;
    double price = gc_work(c, w, amount, mark, ts_ns, i, &t->maker), size = fabs(amount);
    double fee = (t->maker ? c->maker_fee : c->taker_fee) * (c->inverse ? size / price : size * price);
    if (t->maker ? c->maker_rounded : c->taker_rounded) fee = gc_round_coin(fee);
    t->wanted = wanted;
    gc_book(p, c, amount, price, mark, rate, interest, fee, t, both);
    return 1;
}

/* Closes the whole position at `price`, for a fee as a fraction of notional; returns what was held. */
GC_INLINE double gc_close(gc_position *p, const gc_contract *c, double price, double mark, double rate,
                          double interest, double fee, int fee_rounded, gc_trade *t, const int both)
{
    double amount = -p->amount, size = fabs(amount);
    double paid = fee * (c->inverse ? size / price : size * price);
    if (fee_rounded) paid = gc_round_coin(paid);
    t->wanted = amount;
    t->maker = 0;
    gc_book(p, c, amount, price, mark, rate, interest, paid, t, both);
    return -amount;
}

#endif
