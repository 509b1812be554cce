/* What the array loops are given: columns, conventions and output positions.
 */
#ifndef GAMMACORE_INPUTS_H
#define GAMMACORE_INPUTS_H

#include <stddef.h>

/* How the underlying, the discount factor and the quote relate.
 *   GC_BLACK76        forward; D = exp(-r tau)
 *   GC_BLACK_SCHOLES  spot S; F = S exp((r - q) tau), D = exp(-r tau)
 *   GC_INVERSE        forward; quoted in coin, so D = 1/F and there is no rate */
enum { GC_BLACK76 = 0, GC_BLACK_SCHOLES = 1, GC_INVERSE = 2 };

/* Positions in the array of Greek outputs; net delta exists for GC_INVERSE only. */
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
    GC_NET_DELTA,
    GC_OUTPUTS
};

typedef struct {
    const double *data;
    ptrdiff_t step; /* 1, or 0 for one value */
} gc_column;

typedef struct {
    const signed char *kind; /* +1 call, -1 put */
    ptrdiff_t kind_step;
    gc_column underlying, strike, tau, vol; /* for implied vol: vol holds the price */
    gc_column rate, dividend;
} gc_inputs;

#endif
