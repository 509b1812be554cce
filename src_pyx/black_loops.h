/* Price and Greeks over arrays. See block_loops.h for how to include this file.
 */
#include "black.h"
#include "block_loops.h"

/* Lane numbers, series lanes first; returns how many of those. order has one spare slot. */
static GC_TARGET int GC_LOOP(gc_sort_regimes)(const double *x, const double *s, int m, int *order)
{
    int count = 0;
    for (int i = 0; i < m; i++) {
        order[count] = i;
        count += !gc_in_tails(x[i], s[i]);
    }
    int series = count;
    for (int i = 0; i < m; i++) {
        order[count] = i;
        count += gc_in_tails(x[i], s[i]);
    }
    return series;
}

static GC_TARGET int GC_LOOP(gc_count_tails)(const double *x, const double *s, int m)
{
    int tails = 0;
    for (int i = 0; i < m; i++) tails += gc_in_tails(x[i], s[i]);
    return tails;
}

/* ---- price ------------------------------------------------------------------------- */

static GC_TARGET void GC_LOOP(gc_block_prices)(const double *GC_RESTRICT x, const double *GC_RESTRICT s,
                                               const double *GC_RESTRICT y, int series, int m,
                                               double *GC_RESTRICT price)
{
    GC_INDEPENDENT
    for (int i = 0; i < series; i++) price[i] = gc_price_series(x[i], s[i], y[i]);
    GC_INDEPENDENT
    for (int i = series; i < m; i++) price[i] = gc_price_tails(s[i], y[i]);
}

static GC_TARGET void GC_LOOP(gc_price)(int model, const gc_inputs *in, ptrdiff_t n, double *GC_RESTRICT out)
{
    GC_LOOP(gc_block) b;
    double small[GC_BLOCK], x[GC_BLOCK], s[GC_BLOCK], y[GC_BLOCK], price[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, n);
    for (ptrdiff_t start = 0; start < n; start += GC_BLOCK) {
        int m = n - start < GC_BLOCK ? (int)(n - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, start, m);
        const double *GC_RESTRICT forward = b.forward, *GC_RESTRICT strike = b.strike;
        const double *GC_RESTRICT tau = b.tau, *GC_RESTRICT vol = b.vol;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            gc_reduced r = gc_reduce(forward[i], strike[i], tau[i], sqrt(tau[i]), vol[i]);
            small[i] = r.small;
            x[i] = r.x;
            s[i] = r.total_vol;
            y[i] = r.y;
        }
        int tails = GC_LOOP(gc_count_tails)(x, s, m);
        if (tails == 0 || tails == m) {
            GC_LOOP(gc_block_prices)(x, s, y, m - tails, m, price);
        } else {
            int order[GC_BLOCK + 1];
            double px[GC_BLOCK], ps[GC_BLOCK], py[GC_BLOCK], sorted[GC_BLOCK];
            GC_LOOP(gc_sort_regimes)(x, s, m, order);
            for (int i = 0; i < m; i++) {
                px[i] = x[order[i]];
                ps[i] = s[order[i]];
                py[i] = y[order[i]];
            }
            GC_LOOP(gc_block_prices)(px, ps, py, m - tails, m, sorted);
            for (int i = 0; i < m; i++) price[order[i]] = sorted[i];
        }
        double *GC_RESTRICT target = out + start;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            double intrinsic = b.theta[i] * (forward[i] - strike[i]);
            target[i] = b.df[i] * (small[i] * price[i] + (intrinsic < 0.0 ? 0.0 : intrinsic));
        }
        GC_LOOP(gc_advance)(&b, in, m);
    }
}

/* ---- Greeks ------------------------------------------------------------------------ */

typedef struct {
    double price[GC_BLOCK], density[GC_BLOCK], upper[GC_BLOCK], complement[GC_BLOCK], lower[GC_BLOCK];
} GC_LOOP(gc_leg_block);

static GC_TARGET void GC_LOOP(gc_block_legs)(const double *GC_RESTRICT x, const double *GC_RESTRICT s,
                                             const double *GC_RESTRICT y, int series, int m,
                                             GC_LOOP(gc_leg_block) *GC_RESTRICT legs)
{
#define GC_KEEP(expression)                      \
    gc_legs point = expression;                  \
    legs->price[i] = point.price;                \
    legs->density[i] = point.density;            \
    legs->upper[i] = point.upper;                \
    legs->complement[i] = point.upper_complement; \
    legs->lower[i] = point.lower_scaled
    GC_INDEPENDENT
    for (int i = 0; i < series; i++) {
        GC_KEEP(gc_legs_series(x[i], s[i], y[i]));
    }
    GC_INDEPENDENT
    for (int i = series; i < m; i++) {
        GC_KEEP(gc_legs_tails(s[i], y[i]));
    }
#undef GC_KEEP
}

/* Derivatives of the quoted price. With v = D F phi(d1):
 *   gamma = v/(U^2 s), vega = v sqrt(tau), vanna = -(v/U) d2/sigma, volga = vega d1 d2/sigma,
 * U the underlying (forward or spot); delta, theta, rho, charm differ by convention.
 * See docs/numerics.md for each. */
static GC_TARGET void GC_LOOP(gc_finish_greeks)(int model, const GC_LOOP(gc_block) *b, const double *GC_RESTRICT small,
                                                const double *GC_RESTRICT s, const double *GC_RESTRICT y,
                                                const GC_LOOP(gc_leg_block) *GC_RESTRICT legs, int m,
                                                double *const *out, ptrdiff_t start)
{
    double *GC_RESTRICT price = out[GC_PRICE] + start, *GC_RESTRICT delta = out[GC_DELTA] + start;
    double *GC_RESTRICT gamma = out[GC_GAMMA] + start, *GC_RESTRICT vega = out[GC_VEGA] + start;
    double *GC_RESTRICT theta = out[GC_THETA] + start, *GC_RESTRICT rho = out[GC_RHO] + start;
    double *GC_RESTRICT vanna = out[GC_VANNA] + start, *GC_RESTRICT volga = out[GC_VOLGA] + start;
    double *GC_RESTRICT charm = out[GC_CHARM] + start;
    double *GC_RESTRICT net = model == GC_INVERSE ? out[GC_NET_DELTA] + start : price;
    const double *GC_RESTRICT U = b->underlying, *GC_RESTRICT F = b->forward, *GC_RESTRICT K = b->strike;
    const double *GC_RESTRICT T = b->tau, *GC_RESTRICT R = b->rate, *GC_RESTRICT C = b->dividend;

#define GC_FINISH_COMMON(discount, spot)                                                           \
    double sign = b->theta[i], tau = T[i], root = sqrt(tau);                                       \
    gc_legs point = {legs->price[i], legs->density[i], legs->upper[i], legs->complement[i],        \
                     legs->lower[i]};                                                              \
    gc_quote q = gc_quote_from_legs(sign, F[i], K[i], tau, small[i], s[i], y[i], point);           \
    double v = (discount) * q.density, per_unit = v / (spot), inv_vol = root * q.inv_total;        \
    double decay = v * s[i] * q.half_rate;                                                         \
    gamma[i] = per_unit * q.inv_total / (spot);                                                    \
    vega[i] = v * root;                                                                            \
    vanna[i] = -per_unit * q.d2 * inv_vol;                                                         \
    volga[i] = v * root * (q.d1 * q.d2) * inv_vol

    if (model == GC_BLACK76) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_FINISH_COMMON(b->df[i], F[i]);
            double value = b->df[i] * q.price, slope = sign * b->df[i] * q.leg1;
            price[i] = value;
            delta[i] = slope;
            theta[i] = R[i] * value - decay;
            rho[i] = -tau * value;
            charm[i] = R[i] * slope + per_unit * q.d2 * q.half_rate;
        }
    } else if (model == GC_BLACK_SCHOLES) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_FINISH_COMMON(b->df[i], U[i]);
            double slope = sign * (b->df[i] * b->growth[i]) * q.leg1;
            double bond = sign * (K[i] * b->df[i]) * q.leg2;
            price[i] = b->df[i] * q.price;
            delta[i] = slope;
            theta[i] = (C[i] * (U[i] * slope) - R[i] * bond) - decay;
            rho[i] = tau * bond;
            charm[i] = C[i] * slope - per_unit * ((R[i] - C[i]) * q.inv_total - q.d2 * q.half_rate);
        }
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_FINISH_COMMON(1.0, F[i]);
            price[i] = b->df[i] * q.price;
            delta[i] = sign * q.leg1;
            net[i] = sign * (K[i] / F[i]) * q.leg2;
            theta[i] = -decay;
            rho[i] = sign * K[i] * tau * q.leg2;
            charm[i] = per_unit * q.d2 * q.half_rate;
        }
    }
#undef GC_FINISH_COMMON
}

static GC_TARGET void GC_LOOP(gc_greeks)(int model, const gc_inputs *in, ptrdiff_t n, double *const *out)
{
    GC_LOOP(gc_block) b;
    GC_LOOP(gc_leg_block) legs;
    double small[GC_BLOCK], x[GC_BLOCK], s[GC_BLOCK], y[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, n);
    for (ptrdiff_t start = 0; start < n; start += GC_BLOCK) {
        int m = n - start < GC_BLOCK ? (int)(n - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, start, m);
        const double *GC_RESTRICT forward = b.forward, *GC_RESTRICT strike = b.strike;
        const double *GC_RESTRICT tau = b.tau, *GC_RESTRICT vol = b.vol;
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            gc_reduced r = gc_reduce(forward[i], strike[i], tau[i], sqrt(tau[i]), vol[i]);
            small[i] = r.small;
            x[i] = r.x;
            s[i] = r.total_vol;
            y[i] = r.y;
        }
        int tails = GC_LOOP(gc_count_tails)(x, s, m);
        if (tails == 0 || tails == m) {
            GC_LOOP(gc_block_legs)(x, s, y, m - tails, m, &legs);
        } else {
            int order[GC_BLOCK + 1];
            double px[GC_BLOCK], ps[GC_BLOCK], py[GC_BLOCK];
            GC_LOOP(gc_leg_block) sorted;
            GC_LOOP(gc_sort_regimes)(x, s, m, order);
            for (int i = 0; i < m; i++) {
                px[i] = x[order[i]];
                ps[i] = s[order[i]];
                py[i] = y[order[i]];
            }
            GC_LOOP(gc_block_legs)(px, ps, py, m - tails, m, &sorted);
            for (int i = 0; i < m; i++) {
                int lane = order[i];
                legs.price[lane] = sorted.price[i];
                legs.density[lane] = sorted.density[i];
                legs.upper[lane] = sorted.upper[i];
                legs.complement[lane] = sorted.complement[i];
                legs.lower[lane] = sorted.lower[i];
            }
        }
        GC_LOOP(gc_finish_greeks)(model, &b, small, s, y, &legs, m, out, start);
        GC_LOOP(gc_advance)(&b, in, m);
    }
}
