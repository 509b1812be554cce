/* Price and Greeks over arrays, only those that are asked for; part of loops.h.
 */

typedef struct {
    double price[GC_BLOCK + GC_LANES], density[GC_BLOCK + GC_LANES], upper[GC_BLOCK + GC_LANES];
    double complement[GC_BLOCK + GC_LANES], lower[GC_BLOCK + GC_LANES];
} GC_LOOP(gc_leg_block);

/* What the Greeks are made of. `density`, `slope` and `bond` carry their discount factors. */
typedef struct {
    double price[GC_BLOCK];
    double density[GC_BLOCK];   /* v = D F phi(d1) = D K phi(d2) */
    double unit[GC_BLOCK];      /* v / U */
    double slope[GC_BLOCK];     /* theta D (F/U) N(theta d1) */
    double bond[GC_BLOCK];      /* theta D N(theta d2) */
    double d1[GC_BLOCK], d2[GC_BLOCK];
    double inv_total[GC_BLOCK]; /* 1/s */
    double inv_vol[GC_BLOCK];   /* 1/sigma */
    double half_rate[GC_BLOCK]; /* 1/(2 tau) */
    double inv_under[GC_BLOCK]; /* 1/U */
} GC_LOOP(gc_parts);

static GC_TARGET void GC_LOOP(gc_block_legs)(int tails, const double *GC_RESTRICT x, const double *GC_RESTRICT s,
                                             const double *GC_RESTRICT y, int m,
                                             GC_LOOP(gc_leg_block) *GC_RESTRICT legs)
{
#define GC_KEEP(expression)                       \
    gc_legs point = expression;                   \
    legs->price[i] = point.price;                 \
    legs->density[i] = point.density;             \
    legs->upper[i] = point.upper;                 \
    legs->complement[i] = point.upper_complement; \
    legs->lower[i] = point.lower_scaled
    m = GC_WHOLE(m);
    if (tails) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_KEEP(gc_legs_tails(s[i], y[i]));
        }
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_KEEP(gc_legs_series(x[i], s[i], y[i]));
        }
    }
#undef GC_KEEP
}

/* The discounts: of v and bond, and what turns N(d1) into the slope. */
static GC_TARGET void GC_LOOP(gc_block_parts)(int model, const GC_LOOP(gc_block) *GC_RESTRICT b,
                                              const GC_LOOP(gc_reduced_block) *GC_RESTRICT r,
                                              const GC_LOOP(gc_leg_block) *GC_RESTRICT legs, int m,
                                              GC_LOOP(gc_parts) *GC_RESTRICT p)
{
    const double *GC_RESTRICT U = b->column[GC_UNDERLYING], *GC_RESTRICT F = b->forward;
    const double *GC_RESTRICT K = b->column[GC_STRIKE], *GC_RESTRICT T = b->column[GC_TAU];
    m = GC_WHOLE(m);
#define GC_PARTS(discount, growth, value)                                                            \
    gc_legs point = {legs->price[i], legs->density[i], legs->upper[i], legs->complement[i],          \
                     legs->lower[i]};                                                                \
    double sign = b->theta[i], inverse = 1.0 / U[i];                                                 \
    gc_quote q = gc_quote_from_legs(sign, F[i], K[i], T[i], r->small[i], r->s[i], r->y[i], point);   \
    double v = (discount) * q.density;                                                               \
    p->price[i] = (value) * q.price;                                                                 \
    p->density[i] = v;                                                                               \
    p->unit[i] = v * inverse;                                                                        \
    p->slope[i] = sign * ((discount) * (growth)) * q.leg1;                                           \
    p->bond[i] = sign * (discount) * q.leg2;                                                         \
    p->d1[i] = q.d1;                                                                                 \
    p->d2[i] = q.d2;                                                                                 \
    p->inv_total[i] = q.inv_total;                                                                   \
    p->inv_vol[i] = b->root[i] * q.inv_total;                                                        \
    p->half_rate[i] = q.half_rate;                                                                   \
    p->inv_under[i] = inverse
    if (model == GC_BLACK76) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_PARTS(b->df[i], 1.0, b->df[i]);
        }
    } else if (model == GC_BLACK_SCHOLES) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_PARTS(b->df[i], b->growth[i], b->df[i]);
        }
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) {
            GC_PARTS(1.0, 1.0, b->df[i]);
        }
    }
#undef GC_PARTS
}

/* One loop for each Greek that is asked for. */
#define GC_GREEK(slot, expression)                                      \
    if (out[slot]) {                                                    \
        double *GC_RESTRICT target = out[slot];                         \
        GC_INDEPENDENT                                                  \
        for (int i = 0; i < m; i++) target[i] = (expression);           \
    }

#define GC_COPY(slot, from) \
    if (out[slot]) memcpy(out[slot], from, (size_t)m * sizeof(double));

/* Derivatives of the quoted price V with respect to U (forward or spot), strike, vol,
 * rate and calendar time (-d/d tau). Formulas: docs/numerics.md, section 4. b = r - q is
 * the carry, 0 with a forward, where q stands for r. With w = d d1/d tau
 *
 *     w = b/s - d2/(2 tau).
 *
 * Products start with the density, which is 0 where the other factors may be huge. */
static GC_TARGET void GC_LOOP(gc_write_greeks)(int model, const GC_LOOP(gc_block) *GC_RESTRICT b,
                                               const double *GC_RESTRICT s,
                                               const GC_LOOP(gc_parts) *GC_RESTRICT p, int m, double *const *out)
{
    const double *GC_RESTRICT U = b->column[GC_UNDERLYING], *GC_RESTRICT K = b->column[GC_STRIKE];
    const double *GC_RESTRICT T = b->column[GC_TAU], *GC_RESTRICT r = b->column[GC_RATE];
    const double *GC_RESTRICT q = model == GC_BLACK76 ? r : b->column[GC_DIVIDEND];
    const double *GC_RESTRICT v = p->density, *GC_RESTRICT unit = p->unit, *GC_RESTRICT root = b->root;
    const double *GC_RESTRICT d1 = p->d1, *GC_RESTRICT d2 = p->d2, *GC_RESTRICT is = p->inv_total;
    const double *GC_RESTRICT iv = p->inv_vol, *GC_RESTRICT h = p->half_rate, *GC_RESTRICT iu = p->inv_under;
    const double *GC_RESTRICT slope = p->slope, *GC_RESTRICT bond = p->bond, *GC_RESTRICT price = p->price;
    m = GC_WHOLE(m);
#define GC_GAMMA_I ((unit[i] * is[i]) * iu[i])
#define GC_VEGA_I (v[i] * root[i])
#define GC_CARRY_I ((r[i] - q[i]) * is[i] - d2[i] * h[i])
    GC_COPY(GC_PRICE, p->price)
    GC_COPY(GC_DELTA, p->slope)
    GC_GREEK(GC_GAMMA, GC_GAMMA_I)
    GC_GREEK(GC_VEGA, GC_VEGA_I)
    if (model == GC_BLACK76) {
        GC_GREEK(GC_THETA, r[i] * price[i] - (v[i] * s[i]) * h[i])
        GC_GREEK(GC_RHO, -T[i] * price[i])
    } else {
        GC_GREEK(GC_THETA, (q[i] * (U[i] * slope[i]) - r[i] * (K[i] * bond[i])) - (v[i] * s[i]) * h[i])
        GC_GREEK(GC_RHO, T[i] * (K[i] * bond[i]))
    }
    GC_GREEK(GC_VANNA, -(unit[i] * d2[i]) * iv[i])
    GC_GREEK(GC_VOLGA, GC_VEGA_I * (d1[i] * d2[i]) * iv[i])
    GC_GREEK(GC_CHARM, q[i] * slope[i] - unit[i] * GC_CARRY_I)
    GC_GREEK(GC_SPEED, -(GC_GAMMA_I * iu[i]) * (1.0 + d1[i] * is[i]))
    GC_GREEK(GC_ZOMMA, GC_GAMMA_I * (d1[i] * d2[i] - 1.0) * iv[i])
    GC_GREEK(GC_COLOR, GC_GAMMA_I * q[i] + ((GC_GAMMA_I * d1[i]) * GC_CARRY_I + GC_GAMMA_I * h[i]))
    GC_GREEK(GC_VETA, GC_VEGA_I * q[i] + ((GC_VEGA_I * d1[i]) * GC_CARRY_I - GC_VEGA_I * h[i]))
    GC_GREEK(GC_ULTIMA, -(GC_VEGA_I * iv[i] * iv[i])
                            * (d1[i] * d2[i] * (1.0 - d1[i] * d2[i]) + (d1[i] * d1[i] + d2[i] * d2[i])))
    GC_GREEK(GC_DUAL_DELTA, -bond[i])
    GC_GREEK(GC_DUAL_GAMMA, (v[i] * is[i]) / (K[i] * K[i]))
    if (model == GC_INVERSE) {
        GC_GREEK(GC_NET_DELTA, (K[i] * iu[i]) * bond[i])
    }
}

/* The same for the coin value c = V/F = theta [N(theta d1) - (K/F) N(theta d2)], whose first
 * derivative in F is net/F, net = theta (K/F) N(theta d2). Vol and time act on V alone. */
static GC_TARGET void GC_LOOP(gc_write_coin_greeks)(const GC_LOOP(gc_block) *GC_RESTRICT b,
                                                    const double *GC_RESTRICT s,
                                                    const GC_LOOP(gc_parts) *GC_RESTRICT p, int m,
                                                    double *const *out)
{
    const double *GC_RESTRICT K = b->column[GC_STRIKE], *GC_RESTRICT T = b->column[GC_TAU];
    const double *GC_RESTRICT v = p->density, *GC_RESTRICT unit = p->unit, *GC_RESTRICT root = b->root;
    const double *GC_RESTRICT d1 = p->d1, *GC_RESTRICT d2 = p->d2, *GC_RESTRICT is = p->inv_total;
    const double *GC_RESTRICT iv = p->inv_vol, *GC_RESTRICT h = p->half_rate, *GC_RESTRICT iu = p->inv_under;
    const double *GC_RESTRICT bond = p->bond;
    m = GC_WHOLE(m);
#define GC_NET_I ((K[i] * iu[i]) * bond[i])
#define GC_ZOMMA_I (unit[i] * is[i] * (d1[i] * d2[i] - 1.0) + 2.0 * (unit[i] * d1[i]))
    GC_COPY(GC_PRICE, p->price)
    GC_GREEK(GC_NET_DELTA, GC_NET_I)
    GC_GREEK(GC_DELTA, GC_NET_I * iu[i])
    GC_GREEK(GC_GAMMA, (unit[i] * is[i] - 2.0 * GC_NET_I) * (iu[i] * iu[i]))
    GC_GREEK(GC_VEGA, GC_VEGA_I * iu[i])
    GC_GREEK(GC_THETA, -(unit[i] * s[i]) * h[i])
    GC_GREEK(GC_RHO, T[i] * GC_NET_I)
    GC_GREEK(GC_VANNA, -(unit[i] * iu[i]) * d1[i] * iv[i])
    GC_GREEK(GC_VOLGA, (unit[i] * root[i]) * (d1[i] * d2[i]) * iv[i])
    GC_GREEK(GC_CHARM, (unit[i] * iu[i]) * d1[i] * h[i])
    GC_GREEK(GC_SPEED, (6.0 * GC_NET_I - (unit[i] * is[i]) * (4.0 + d1[i] * is[i])) * (iu[i] * iu[i]) * iu[i])
    GC_GREEK(GC_ZOMMA, GC_ZOMMA_I * (iu[i] * iu[i]) * iv[i])
    GC_GREEK(GC_COLOR, -GC_ZOMMA_I * (iu[i] * iu[i]) * h[i])
    GC_GREEK(GC_VETA, -(unit[i] * root[i]) * h[i] * (1.0 + d1[i] * d2[i]))
    GC_GREEK(GC_ULTIMA, -((unit[i] * root[i]) * iv[i] * iv[i])
                            * (d1[i] * d2[i] * (1.0 - d1[i] * d2[i]) + (d1[i] * d1[i] + d2[i] * d2[i])))
    GC_GREEK(GC_DUAL_DELTA, -(bond[i] * iu[i]))
    GC_GREEK(GC_DUAL_GAMMA, (unit[i] * is[i]) / (K[i] * K[i]))
}
#undef GC_GREEK
#undef GC_COPY
#undef GC_GAMMA_I
#undef GC_VEGA_I
#undef GC_CARRY_I
#undef GC_NET_I
#undef GC_ZOMMA_I

/* Greeks of m lanes that are loaded, at the given vols, into `out` (NULL: not wanted). */
static GC_TARGET void GC_LOOP(gc_greeks_of_block)(int model, const GC_LOOP(gc_block) *b, const double *vol, int m,
                                                  ptrdiff_t start, double *const *out)
{
    GC_LOOP(gc_reduced_block) r;
    GC_LOOP(gc_minority) few;
    GC_LOOP(gc_leg_block) legs;
    GC_LOOP(gc_parts) parts;
    double *target[GC_OUTPUTS], scratch[GC_OUTPUTS][GC_BLOCK];
    int whole = m == GC_WHOLE(m);
    GC_LOOP(gc_reduce_block)(b, vol, m, &r);
    int tails = GC_LOOP(gc_split_regimes)(r.x, r.s, r.y, m, &few);
    GC_LOOP(gc_block_legs)(tails, r.x, r.s, r.y, m, &legs);
    if (few.count) {
        GC_LOOP(gc_leg_block) again;
        GC_LOOP(gc_block_legs)(!tails, few.x, few.s, few.y, few.count, &again);
        for (int j = 0; j < few.count; j++) {
            int i = few.lane[j];
            legs.price[i] = again.price[j];
            legs.density[i] = again.density[j];
            legs.upper[i] = again.upper[j];
            legs.complement[i] = again.complement[j];
            legs.lower[i] = again.lower[j];
        }
    }
    GC_LOOP(gc_block_parts)(model, b, &r, &legs, m, &parts);
    for (int slot = 0; slot < GC_OUTPUTS; slot++)
        target[slot] = !out[slot] ? NULL : whole ? out[slot] + start : scratch[slot];
    if (model == GC_INVERSE_COIN) GC_LOOP(gc_write_coin_greeks)(b, r.s, &parts, m, target);
    else GC_LOOP(gc_write_greeks)(model, b, r.s, &parts, m, target);
    for (int slot = 0; !whole && slot < GC_OUTPUTS; slot++)
        if (out[slot]) memcpy(out[slot] + start, scratch[slot], (size_t)m * sizeof(double));
}

static GC_TARGET void GC_LOOP(gc_greeks)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end,
                                         double *const *out)
{
    GC_LOOP(gc_block) b;
    GC_LOOP(gc_open)(&b, in, end - first);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int m = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, first, start, m);
        GC_LOOP(gc_greeks_of_block)(model, &b, b.column[GC_VOL], m, start, out);
    }
}
