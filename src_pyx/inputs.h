/* What the array loops are given: columns, conventions and output positions.
 */
#ifndef GAMMACORE_INPUTS_H
#define GAMMACORE_INPUTS_H

#include <stddef.h>

/* How the underlying, the discount factor and the quote relate.
 *   GC_BLACK76        forward; D = exp(-r tau)
 *   GC_BLACK_SCHOLES  spot S; F = S exp((r - q) tau), D = exp(-r tau)
 *   GC_INVERSE        forward; quoted in coin, so D = 1/F and there is no rate;
 *                     Greeks are derivatives of the value in USD
 *   GC_INVERSE_COIN   the same, Greeks are derivatives of the value in coin */
enum { GC_BLACK76 = 0, GC_BLACK_SCHOLES = 1, GC_INVERSE = 2, GC_INVERSE_COIN = 3 };

/* Positions in the array of Greek outputs. The price is in coin for both inverse models;
 * net delta exists for these only. */
enum {
    GC_PRICE,
    GC_DELTA,
    GC_GAMMA,
    GC_VEGA,
    GC_THETA,
    GC_RHO,
    GC_VANNA,
    GC_VOLGA,
    GC_CHARM,
    GC_SPEED,
    GC_ZOMMA,
    GC_COLOR,
    GC_VETA,
    GC_ULTIMA,
    GC_DUAL_DELTA,
    GC_DUAL_GAMMA,
    GC_NET_DELTA,
    GC_OUTPUTS
};

/* Positions in the array of inputs. Implied vol finds the price in the place of the
 * volatility; the interval of a tick finds the tick in the place of the dividend. */
enum {
    GC_UNDERLYING,
    GC_STRIKE,
    GC_TAU,
    GC_VOL,
    GC_RATE,
    GC_DIVIDEND,
    GC_COLUMNS
};

typedef struct {
    const double *data;
    ptrdiff_t step; /* 1, or 0 for one value */
} gc_column;

typedef struct {
    const signed char *kind; /* +1 call, -1 put */
    ptrdiff_t kind_step;
    gc_column column[GC_COLUMNS];
} gc_inputs;

#endif
