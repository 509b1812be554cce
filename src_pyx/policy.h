/* Hedge policies at one point: when to trade and how much.
 *
 * Self-contained: doubles in, doubles out, no loop and no state. `gammacore.hedging.policies`
 * says what the rules mean; gc_rule_at turns a policy into the constants of one moment, and the
 * functions below it work on one path.
 *
 * Legend: y mismatch (delta to be removed, coin), F price, G gamma of the book (coin per USD),
 * a risk aversion (per USD), l one-way cost as a fraction of notional, k cost per trade (USD).
 */
#ifndef GAMMACORE_POLICY_H
#define GAMMACORE_POLICY_H

#include "normal.h"

enum {
    GC_NEVER,
    GC_INTERVAL,
    GC_BAND,
    GC_MOVE_USD,
    GC_MOVE_RELATIVE,
    GC_MOVE_SIGMA,
    GC_WHALLEY_WILMOTT,
    GC_ZAKAMOULINE,
    GC_FIXED_COST,
    GC_POLICIES
};

typedef struct {
    int kind;
    double lower, upper;  /* band: largest mismatch below and above, both positive */
    double to_edge;       /* 1: trade to the edge that was passed, 0: to the centre */
    double threshold;     /* move */
    double root_horizon;  /* move in sigmas: root of the years that one sigma is counted over */
    double risk_aversion; /* a */
    double cost;          /* l, or k for GC_FIXED_COST */
    double dust;          /* mismatches up to this are rounding of the deltas: no trade */
    int64_t every;        /* interval, in steps */
} gc_policy;

/* The constants of a policy at one moment. */
typedef struct {
    double lower, upper, to_edge, threshold, dust;
    double width, width_over_price; /* factors of what varies from path to path */
    double k;                       /* Zakamouline's K but for its power of F^2 |G| */
} gc_rule;

/* Mean volatility and time to expiry of the book enter two of the policies. */
GC_INLINE gc_rule gc_rule_at(const gc_policy *policy, double vol, double tau)
{
    gc_rule r = {policy->lower, policy->upper, policy->to_edge, policy->threshold, policy->dust, 0.0, 0.0, 0.0};
    double a = policy->risk_aversion, l = policy->cost;
    switch (policy->kind) {
    case GC_MOVE_SIGMA:
        r.threshold = policy->threshold * vol * policy->root_horizon;
        break;
    case GC_WHALLEY_WILMOTT:
        /* H = (3/2 l F G^2/a)^(1/3) to the edge; 4^(1/3) times as wide to the centre. */
        r.width = cbrt((policy->to_edge != 0.0 ? 1.5 : 6.0) * l / a);
        break;
    case GC_FIXED_COST:
        /* H = (12 k G^2/a)^(1/4) */
        r.width = sqrt(sqrt(12.0 * l / a));
        break;
    case GC_ZAKAMOULINE: {
        /* H0 = l/(a F vol^2 tau), H1 = 1.12 l^0.31 tau^0.05 vol^-0.25 (|G|/a)^0.5,
         * K = -4.76 l^0.78 tau^-0.02 vol^-0.25 (a F^2 |G|)^0.15 */
        double years = tau < 1e-9 ? 1e-9 : tau, root = pow(vol, -0.25);
        r.width_over_price = l / (a * vol * vol * years);
        r.width = 1.12 * pow(l, 0.31) * pow(years, 0.05) * root / sqrt(a);
        r.k = -4.76 * pow(l, 0.78) * pow(years, -0.02) * root * pow(a, 0.15);
        break;
    }
    default:
        break;
    }
    return r;
}

#define GC_SMALLEST_POSITIVE 1e-300
#define GC_SMALLEST_VARIANCE_SHARE 0.01 /* of the variance that Zakamouline's K may leave */

/* b^p for b >= 0, no branch; a zero counts as 1e-300. */
GC_INLINE double gc_power(double b, double p)
{
    b = b < GC_SMALLEST_POSITIVE ? GC_SMALLEST_POSITIVE : b;
    return gc_exp(p * gc_log_ratio(b, 1.0));
}

/* Half-width of the band of a policy that has one of its own. `kind` is a constant. */
GC_INLINE double gc_half_width(int kind, const gc_rule *r, double price, double inverse_price, double gamma)
{
    double size = gamma < 0.0 ? -gamma : gamma;
    if (kind == GC_WHALLEY_WILMOTT) return r->width * gc_power(price * gamma * gamma, 1.0 / 3.0);
    if (kind == GC_ZAKAMOULINE) return r->width_over_price * inverse_price + r->width * sqrt(size);
    return r->width * sqrt(size);
}

/* Zakamouline: volatility at which the delta is taken, over the unmodified one. */
GC_INLINE double gc_vol_factor(const gc_rule *r, double price, double gamma)
{
    double size = gamma < 0.0 ? -gamma : gamma;
    double k = r->k * gc_power(price * price * size, 0.15);
    double share = 1.0 + (gamma < 0.0 ? -k : k);
    return sqrt(share < GC_SMALLEST_VARIANCE_SHARE ? GC_SMALLEST_VARIANCE_SHARE : share);
}

/* Whether the price has moved far enough from that of the last decision. `kind` is a constant. */
GC_INLINE int gc_moved(int kind, const gc_rule *r, double price, double log_price, double last)
{
    double move = kind == GC_MOVE_USD ? price - last : kind == GC_MOVE_RELATIVE ? price / last - 1.0 : log_price - last;
    move = move < 0.0 ? -move : move;
    return move > r->threshold;
}

/* Delta to add when the mismatch has left [-lower, upper]; 0 inside. */
GC_INLINE double gc_band_trade(double mismatch, double lower, double upper, double to_edge)
{
    int above = mismatch > upper, below = mismatch < -lower;
    double edge = to_edge * (above ? upper : -lower);
    return (above | below) ? edge - mismatch : 0.0;
}

#endif
