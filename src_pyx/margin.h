/* Portfolio margin: one position under every scenario, and one book.
 *
 * A scenario is a move of the price, one of three volatilities, a factor on the profit and an amount in USD
 * that damps it (zero in the standard grid). gammacore/margin/portfolio.py makes the table of scenarios and
 * names the source of every formula; here is the arithmetic alone.
 *
 * Profit of one coin of a position when the price F goes to F (1 + k):
 *
 *     future, inverse   k / (1 + k)                              coin, the coin being that at the mark
 *     future, linear    F k                                      USD
 *     option, inverse   V(F (1 + k), v') / (F (1 + k)) - V(F, v) / F
 *     option, linear    V(F (1 + k), v') - V(F, v)
 */
#ifndef GAMMACORE_MARGIN_H
#define GAMMACORE_MARGIN_H

#include <math.h>
#include <stddef.h>

#include "black.h"

/* The exchange rounds the worst loss to 9 decimals before it adds the shocks: two recorded answers add up to
 * their last digit so, and in no other way. */
#define GC_MARGIN_UNITS 1e9

/* Rows of the table of scenarios. */
enum { GC_SCENARIO_MOVE, GC_SCENARIO_SHIFT, GC_SCENARIO_SCALE, GC_SCENARIO_DAMPING };

/* In the order in which Python hands them over. */
typedef struct {
    double range_up, range_down, least_up, short_power, long_power; /* volatilities */
    double move_risk, least_move;                                   /* roll shock */
    double threshold, increment, most_shock;                        /* delta shock */
} gc_margin_rates;

/* kind is +1 call, -1 put, 0 future or perpetual; tau in years, 0 of a perpetual. */
typedef struct {
    double kind, strike, tau, vol, price;
} gc_margin_line;

typedef struct {
    double worst, roll, delta;
    ptrdiff_t at; /* scenario of the worst loss, -1 where none loses */
} gc_margin_parts;

/* What a book adds up to before its margin is taken. */
typedef struct {
    const double *profit;       /* of every scenario */
    double held, bought;        /* deltas in coin: of bought options, and of everything else */
    double roll;                /* sum over expiries of |delta| times its move */
} gc_margin_sums;

GC_INLINE double gc_margin_price(double kind, double strike, double tau, double root, double vol, double forward)
{
    gc_reduced r = gc_reduce(forward, strike, tau, root, vol);
    double b = gc_in_tails(r.x, r.total_vol) ? gc_price_tails(r.total_vol, r.y)
                                             : gc_price_series(r.x, r.total_vol, r.y);
    double intrinsic = kind * (forward - strike);
    return r.small * b + (intrinsic < 0.0 ? 0.0 : intrinsic);
}

/* Volatilities up, as they are, and down. The shock grows toward the expiry as a power of 30 days over the
 * days left, which is infinite at the expiry itself: there is no volatility left to shock there. */
GC_INLINE void gc_margin_vols(const gc_margin_rates *r, double vol, double tau, double *vols)
{
    double days = 365.0 * tau;
    double power = days < 30.0 ? r->short_power : r->long_power;
    double factor = days > 0.0 ? pow(30.0 / days, power) : 0.0;
    double up = vol * (1.0 + r->range_up * factor), down = vol * (1.0 - r->range_down * factor);
    vols[0] = up < r->least_up ? r->least_up : up;
    vols[1] = vol;
    vols[2] = down < 0.0 ? 0.0 : down;
}

/* Black's delta of one coin; of a future 1. */
GC_INLINE double gc_margin_delta(const gc_margin_line *p)
{
    double total = p->vol * sqrt(p->tau), x, d1;
    if (p->kind == 0.0) return 1.0;
    x = log(p->price / p->strike);
    if (total > 0.0) d1 = x / total + 0.5 * total;
    else d1 = x > 0.0 ? INFINITY : x < 0.0 ? -INFINITY : 0.0;
    return p->kind * 0.5 * erfc(-p->kind * d1 * 0.70710678118654752440);
}

/* Move per year of the roll shock over the life of an expiry. */
GC_INLINE double gc_margin_roll_rate(const gc_margin_rates *r, double tau)
{
    double rate = expm1(r->move_risk * tau);
    return rate < r->least_move ? r->least_move : rate;
}

/* The delta that the delta shock looks at: that of bought options offsets the rest, and never adds to it. */
GC_INLINE double gc_margin_shocked_delta(double held, double bought)
{
    if (held * bought >= 0.0) return held;
    return fabs(bought) < fabs(held) ? held + bought : 0.0;
}

/* Margin of a book but for its maintenance factor. With `without`, of the book less `size` coins of a
 * position with that vector (the other sums are less it already). */
static gc_margin_parts gc_margin_of(const gc_margin_rates *r, const double *table, ptrdiff_t m, int inverse,
                                    double index, const gc_margin_sums *sums, const double *without, double size)
{
    gc_margin_parts found = {0.0, 0.0, 0.0, -1};
    double unit = inverse ? index : 1.0, coin = inverse ? 1.0 : index;
    for (ptrdiff_t j = 0; j < m; j++) {
        double loss = without ? size * without[j] - sums->profit[j] : -sums->profit[j];
        double damping = table[GC_SCENARIO_DAMPING * m + j] / unit;
        loss = damping > 0.0 ? loss - damping : loss;
        if (loss > found.worst || loss != loss) {
            found.worst = loss;
            found.at = j;
        }
    }
    found.worst = nearbyint(found.worst * GC_MARGIN_UNITS) / GC_MARGIN_UNITS;
    double delta = fabs(gc_margin_shocked_delta(sums->held, sums->bought)), usd = delta * index;
    double over = usd - r->threshold, most = r->most_shock * usd;
    double shock = over > 0.0 ? over * delta * r->increment : 0.0;
    found.delta = (shock > most ? most : shock) / unit;
    found.roll = sums->roll * coin;
    return found;
}

#endif
