/* What the hedging simulator is told, and the columns that it returns.
 *
 * Amounts of money are in the settlement currency: USD (linear) or coin (inverse). A group is all
 * options of one strike, expiry and pair of volatilities; by put-call parity a calls and b puts have
 * the delta (a + b) N(d1) - b, so that a straddle costs one normal distribution.
 */
#ifndef GAMMACORE_HEDGE_H
#define GAMMACORE_HEDGE_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

enum { GC_GBM, GC_HESTON, GC_MERTON, GC_GARCH, GC_BOOTSTRAP, GC_GIVEN, GC_MODELS };
enum { GC_DELTA_BLACK, GC_DELTA_COIN, GC_DELTA_USD, GC_NUMERAIRES };

/* One number per path each; a column that is not wanted is a null pointer. */
enum {
    GC_OUT_PNL,      /* settlement currency */
    GC_OUT_PNL_USD,  /* the same in USD at the last price */
    GC_OUT_TRADES,   /* hedges, the first one and the liquidation included */
    GC_OUT_TURNOVER, /* coin */
    GC_OUT_FEES,     /* paid, options included */
    GC_OUT_SPREAD,   /* paid */
    GC_OUT_FUNDING,  /* received */
    GC_OUT_HEDGE,    /* gain of the hedge before its costs */
    GC_OUT_OPTIONS,  /* change of the options' value, payoffs included */
    GC_OUT_DELTA,    /* the lines that the change of value is made of */
    GC_OUT_GAMMA,
    GC_OUT_THETA,
    GC_OUT_VEGA,
    GC_OUT_HIGHER_ORDER,
    GC_OUT_MISMATCH, /* mean square of the mismatch left after each decision, coin^2 */
    GC_OUT_VARIANCE, /* realised, per year */
    GC_OUT_PRICE,    /* last price, USD */
    GC_OUT_COLUMNS
};

#define GC_MAX_JUMPS 64

/* Steps of the models are in logarithms of the price over its start. */
typedef struct {
    int kind;
    double drift;     /* per step; Heston, GARCH: mu dt */
    double step_vol;  /* GBM, Merton: vol sqrt(dt) */
    double dt, root_dt;
    double variance;  /* Heston: v0 per year; GARCH: first variance per step */
    double kappa, theta, xi, rho, rho_complement; /* Heston */
    double jump_mean, jump_sd; /* Merton: of one log jump */
    int jump_terms;
    double jump_cdf[GC_MAX_JUMPS];
    double omega, alpha, gamma, beta, cap; /* GARCH; cap: largest variance of a step */
    const double *data; /* bootstrap: returns; GARCH: innovations; given: prices, one row of steps + 1 a path */
    int64_t count;      /* bootstrap: number of returns; GARCH: of innovations, 0: normal ones */
    const double *cumulant; /* GARCH: ln E exp(s z), four coefficients of a cubic for each 1/per_unit of s */
    double per_unit;
    int64_t pieces;
    const double *shift; /* bootstrap: added at each step */
    int64_t block;      /* bootstrap: length of the blocks, 0: random */
    double jump_chance; /* bootstrap with random blocks: chance that one starts */
} gc_model;

typedef struct {
    double strike, log_strike; /* the logarithm over the start */
    double expiry;             /* years */
    int64_t expiry_step;       /* after which it is settled; beyond the last step: never */
    double calls_and_puts, puts;
    double hedge_vol, mark_vol, end_vol;
    double size; /* sum of the absolute amounts */
} gc_group;

typedef struct {
    int64_t steps;
    int64_t window; /* steps that the delivery price is averaged over; 0: it is the last price */
    double dt, start, years;
    gc_model model;
    int groups;
    const gc_group *group;
    gc_policy policy;
    int inverse, numeraire, hedge_at_start, liquidate;
    double ratio, target;
    double fee, fixed_fee, half_spread, funding; /* fractions of notional, money, fraction, per year */
    double premium, financed, entry_fee; /* value of the book, signed; of it borrowed in USD; fee of the options */
    uint64_t seed;
} gc_simulation;

#endif
