/* Many positions hedged along the same paths: what the fan is told.
 *
 * Everything is relative to the price at the start: prices and money in units of it, gamma as the change of delta
 * with the logarithm of the price. Positions have the same legs but for strikes, volatilities and amounts.
 */
#ifndef GAMMACORE_FAN_H
#define GAMMACORE_FAN_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

/* Single precision; one number per position and path. */
enum {
    GC_FAN_GROSS,    /* what options and hedge bring before any cost, the value at the start not taken off */
    GC_FAN_TURNOVER, /* notional of the hedges after the first */
    GC_FAN_LAST,     /* notional of the hedge that is held at the end */
    GC_FAN_COLUMNS
};

typedef struct {
    double log_strike;      /* over the price at the start */
    double expiry;          /* years */
    int64_t end;            /* step after which it is delivered or valued */
    double amount, puts;    /* calls and puts together; puts alone */
    double vol;
} gc_fan_leg;

typedef struct {
    int64_t steps, paths;   /* paths: as many whole blocks for each volatility */
    const float *moves;     /* one row a step: moves of the logarithm for a deviation of 1 over the whole life */
    const float *pace;      /* as many: root of the variance that moves over what it is on average, < 0 with a jump */
    const double *time;     /* of each step, years: steps + 1 */
    int64_t vols;           /* realised volatilities: each has its share of the paths */
    const double *vol;
    double look;            /* years between two looks of the policy; steps that are longer are corrected */
    int64_t positions, legs;
    const gc_fan_leg *leg;  /* positions times legs */
    gc_policy policy;       /* a risk aversion times the price, costs of a trade over it */
    float *log_price, *price, *inverse; /* room: paths times (steps + 1) each; one over the price */
} gc_fan;

/* Turnover and mismatch of a random walk that is looked at each time its deviation has grown by S, within a band
 * of half-width W. Hedged to the centre, mean turnover a look is S^2 (W + c S)/(W^2 + a W S + b S^2), which is
 * exact at W = 0 (E|z| S) and for wide bands (S^2/(W + 0.5826 S): D. Siegmund, "Corrected diffusion
 * approximations in certain random walk problems", Adv. Appl. Prob. 11 (1979)), and within 3 % between; to the
 * edge it is half of it with other numbers, within 1 %. The mean square after a look is g W^2 plus
 * max(e W S - f S^2, 0), within 0.02 S^2 and 4 %; the look adds S^2/2. tests/test_breakeven_law.py has the walks.
 *
 * Steps that are longer than a look: the band is narrowed by 0.5826 times what S is too large by, turnover is
 * brought to what it would be by the ratio of the formulas, and what the mismatch earns by that of the roots of the
 * mean squares. */
typedef struct {
    float a, b, c, g, e, f;
} gc_fan_look;

#define GC_FAN_OVERSHOOT 0.5826f

static const gc_fan_look GC_FAN_TO_CENTRE = {1.0326f, 0.5640f, 0.45f, 0.1666667f, 0.19f, 0.19f};
static const gc_fan_look GC_FAN_TO_EDGE = {0.7326f, 0.0940f, 0.15f, 0.3333333f, 0.385f, 0.10f};

#endif
