/* The hedging simulator over blocks of paths: deltas, decisions, accounts.
 *
 * Included once per instruction set after paths.h, see hedge_levels.h. At each step of a block:
 *
 *     delta of the book -> decision -> funding -> next price -> settlement of what expires
 *
 * Accounts. Linear: the hedge is h coins, trading x at F moves cash by -x F, and it has gained
 * cash + h F. Inverse: it is A USD of futures, trading x coins moves A by x F and books x coins,
 * and it has gained booked - A/F coins, which is sum of A (1/F0 - 1/F1). In `units` h or A.
 *
 * Functions whose arguments decide what they do at all are inlined with those arguments
 * constant, so that each loop has nothing left to decide.
 */
typedef struct {
    GC_LOOP(gc_paths) paths;
    double inverse_price[GC_BLOCK];
    double units[GC_BLOCK], cash[GC_BLOCK];
    double coins[GC_BLOCK], notional[GC_BLOCK], trades[GC_BLOCK], funding[GC_BLOCK];
    double last[GC_BLOCK];                                   /* price (or its logarithm) of the last decision */
    double delta[GC_BLOCK], gamma[GC_BLOCK], factor[GC_BLOCK]; /* of the book at hedge volatility */
    double width[GC_BLOCK];                                  /* of the policy's own band */
    double residual[GC_BLOCK], residual_squares[GC_BLOCK];
    double settled[GC_BLOCK], value[GC_BLOCK];
    double slope[GC_BLOCK], curve[GC_BLOCK], decay[GC_BLOCK]; /* of the value at mark volatility */
    double delta_line[GC_BLOCK], gamma_line[GC_BLOCK], theta_line[GC_BLOCK], squares[GC_BLOCK];
    double area[GC_BLOCK]; /* sum of the prices of the settlement window so far, and the delivery price it leads to */
    double average[GC_BLOCK], average_log[GC_BLOCK], average_inverse[GC_BLOCK];
} GC_LOOP(gc_hedges);

/* What is needed beyond the profit itself. */
typedef struct {
    int lines, residual, squares, equity, gamma, inverse_price;
} GC_LOOP(gc_wants);

/* ---- settlement window ----------------------------------------------------------- */

/* What a group is valued at. Options deliver at the average over the last s->window steps, of length W:
 * before them the average takes 2 W / 3 of the variance that is left, and in them the expected delivery
 * price stands for the price, moves by `weight` of it, and has the variance vol^2 tau^3 / (3 W^2) left;
 * see gammacore/settlement.py. */
typedef struct {
    const double *log_price, *price, *inverse;
    double weight, tau;
} GC_LOOP(gc_view);

static inline GC_LOOP(gc_view) GC_LOOP(gc_view_of)(const GC_LOOP(gc_hedges) *b, const gc_simulation *s, const gc_group *g,
                                                   int64_t step)
{
    double left = g->expiry - (double)step * s->dt, window = (double)s->window * s->dt;
    GC_LOOP(gc_view) v = {b->paths.log_price, b->paths.price, b->inverse_price, 1.0, left};
    if (s->window == 0) return v;
    if (g->expiry_step <= s->steps && g->expiry_step - step < s->window) {
        v.log_price = b->average_log, v.price = b->average, v.inverse = b->average_inverse;
        v.weight = left / window;
        v.tau = left * v.weight * v.weight / 3.0;
    } else {
        v.tau = left - 2.0 * window / 3.0;
    }
    return v;
}

/* Whether some option is in its window after this step, and how many of its steps have passed. */
static inline int64_t GC_LOOP(gc_steps_fixed)(const gc_simulation *s, int64_t step)
{
    for (int k = 0; k < s->groups && s->window; k++) {
        int64_t left = s->group[k].expiry_step - step;
        if (s->group[k].expiry_step <= s->steps && left >= 0 && left < s->window) return s->window - left;
    }
    return 0;
}

static GC_TARGET void GC_LOOP(gc_fix)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, int64_t fixed)
{
    const double *GC_RESTRICT price = b->paths.price, *GC_RESTRICT before = b->paths.before;
    double *GC_RESTRICT area = b->area, *GC_RESTRICT average = b->average;
    double *GC_RESTRICT log_price = b->average_log, *GC_RESTRICT inverse = b->average_inverse;
    double kept = fixed > 1 ? 1.0 : 0.0, left = (double)(s->window - fixed), all = 1.0 / (double)s->window;
    for (int i = 0; i < GC_BLOCK; i++) {
        area[i] = kept * area[i] + 0.5 * (before[i] + price[i]);
        average[i] = all * (area[i] + left * price[i]);
        inverse[i] = 1.0 / average[i];
        log_price[i] = gc_log_ratio(average[i], s->start);
    }
}

/* ---- deltas ---------------------------------------------------------------------- */

/* d = ln(F/K)/s +- s/2 as x inv_s + shift. */
typedef struct {
    double total, inv_total, shift;
} GC_LOOP(gc_distance);

static inline GC_LOOP(gc_distance) GC_LOOP(gc_distance_of)(const gc_group *g, double vol, double tau, int net)
{
    double s = vol * sqrt(tau), half = net ? -0.5 * s : 0.5 * s;
    GC_LOOP(gc_distance) d = {s, 1.0 / s, half - g->log_strike / s};
    return d;
}

/* Delta of one group in coin: black m N(d1) - b with m calls and puts together and b puts; net of its own value
 * (K/F) (m N(d2) - b). Gamma is m phi(d1)/(F s) = m (K/F) phi(d2)/(F s) either way. */
GC_INLINE void GC_LOOP(gc_add_delta)(GC_LOOP(gc_hedges) *b, const gc_group *g, GC_LOOP(gc_view) v, int net, int gammas,
                                     int fresh)
{
    GC_LOOP(gc_distance) at = GC_LOOP(gc_distance_of)(g, g->hedge_vol, v.tau, net);
    const double *GC_RESTRICT x = v.log_price, *GC_RESTRICT inverse = v.inverse;
    double *GC_RESTRICT delta = b->delta, *GC_RESTRICT gamma = b->gamma;
    double amount = v.weight * g->calls_and_puts, puts = v.weight * g->puts, curl = v.weight * amount, strike = g->strike, inv_total = at.inv_total, shift = at.shift;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double n, phi;
        gc_normal_pair(x[i] * inv_total + shift, &n, &phi);
        double scale = net ? strike * inverse[i] : 1.0;
        double old = fresh ? 0.0 : delta[i];
        delta[i] = old + scale * (amount * n - puts);
        if (gammas) {
            double old_gamma = fresh ? 0.0 : gamma[i];
            gamma[i] = old_gamma + scale * curl * phi * inv_total * inverse[i];
        }
    }
}

/* The same at a volatility that is `factor` times the group's, lane by lane; no gamma. */
GC_INLINE void GC_LOOP(gc_add_modified_delta)(GC_LOOP(gc_hedges) *b, const gc_group *g, GC_LOOP(gc_view) v, int net,
                                              int fresh)
{
    double s = g->hedge_vol * sqrt(v.tau), side = net ? -0.5 : 0.5;
    const double *GC_RESTRICT x = v.log_price, *GC_RESTRICT inverse = v.inverse;
    const double *GC_RESTRICT factor = b->factor;
    double *GC_RESTRICT delta = b->delta;
    double amount = v.weight * g->calls_and_puts, puts = v.weight * g->puts;
    double strike = g->strike, log_strike = g->log_strike;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double n, phi, total = s * factor[i];
        gc_normal_pair((x[i] - log_strike) / total + side * total, &n, &phi);
        double scale = net ? strike * inverse[i] : 1.0;
        double old = fresh ? 0.0 : delta[i];
        delta[i] = old + scale * (amount * n - puts);
    }
}

static GC_TARGET void GC_LOOP(gc_book_delta)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, int64_t step, int gammas,
                                             int modified)
{
    int net = s->numeraire != GC_DELTA_BLACK, fresh = 1;
    for (int k = 0; k < s->groups; k++) {
        const gc_group *g = &s->group[k];
        if (g->expiry_step <= step) continue;
        GC_LOOP(gc_view) v = GC_LOOP(gc_view_of)(b, s, g, step);
        switch (net | gammas << 1 | modified << 2 | fresh << 3) {
        case 0: GC_LOOP(gc_add_delta)(b, g, v, 0, 0, 0); break;
        case 1: GC_LOOP(gc_add_delta)(b, g, v, 1, 0, 0); break;
        case 2: GC_LOOP(gc_add_delta)(b, g, v, 0, 1, 0); break;
        case 3: GC_LOOP(gc_add_delta)(b, g, v, 1, 1, 0); break;
        case 4: GC_LOOP(gc_add_modified_delta)(b, g, v, 0, 0); break;
        case 5: GC_LOOP(gc_add_modified_delta)(b, g, v, 1, 0); break;
        case 8: GC_LOOP(gc_add_delta)(b, g, v, 0, 0, 1); break;
        case 9: GC_LOOP(gc_add_delta)(b, g, v, 1, 0, 1); break;
        case 10: GC_LOOP(gc_add_delta)(b, g, v, 0, 1, 1); break;
        case 11: GC_LOOP(gc_add_delta)(b, g, v, 1, 1, 1); break;
        case 12: GC_LOOP(gc_add_modified_delta)(b, g, v, 0, 1); break;
        default: GC_LOOP(gc_add_modified_delta)(b, g, v, 1, 1); break;
        }
        fresh = 0;
    }
    if (!fresh) return;
    for (int i = 0; i < GC_BLOCK; i++) b->delta[i] = b->gamma[i] = 0.0; /* everything has expired */
}

/* ---- value ----------------------------------------------------------------------- */

/* Value of one group and its derivatives in the price that the hedge is linear in: F, or X = 1/F.
 *
 *     linear   V = F (m N1 - b) - K (m N2 - b),  V' = m N1 - b,  V'' = gamma
 *     inverse  V = (m N1 - b) - (K/F) (m N2 - b),  dV/dX = -K (m N2 - b),  d2V/dX2 = F^3 gamma
 *
 * and per year dV/dt = -vol^2/2 F^2 gamma, in coin a further 1/F. */
GC_INLINE void GC_LOOP(gc_add_value)(GC_LOOP(gc_hedges) *b, const gc_group *g, double vol, GC_LOOP(gc_view) v, int inverse)
{
    GC_LOOP(gc_distance) at = GC_LOOP(gc_distance_of)(g, vol, v.tau, 0);
    const double *GC_RESTRICT x = v.log_price, *GC_RESTRICT price = v.price;
    double *GC_RESTRICT value = b->value, *GC_RESTRICT slope = b->slope;
    double *GC_RESTRICT curve = b->curve, *GC_RESTRICT decay = b->decay;
    double amount = g->calls_and_puts, puts = g->puts, strike = g->strike;
    double total = at.total, inv_total = at.inv_total, shift = at.shift;
    double once = v.weight, twice = v.weight * v.weight, half_variance = 0.5 * vol * vol * twice;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double n1, n2, phi, ignored, d1 = x[i] * inv_total + shift;
        gc_normal_pair(d1, &n1, &phi);
        gc_normal_pair(d1 - total, &n2, &ignored);
        double one = amount * n1 - puts, two = strike * (amount * n2 - puts);
        double cash_gamma = amount * phi * inv_total * price[i]; /* F^2 gamma */
        if (inverse) {
            value[i] += one - two / price[i];
            slope[i] -= once * two;
            curve[i] += twice * cash_gamma * price[i];
            decay[i] -= half_variance * cash_gamma / price[i];
        } else {
            value[i] += price[i] * one - two;
            slope[i] += once * one;
            curve[i] += twice * cash_gamma / (price[i] * price[i]);
            decay[i] -= half_variance * cash_gamma;
        }
    }
}

/* `vol` chooses between mark and end volatility. */
static GC_TARGET void GC_LOOP(gc_book_value)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, int64_t step, int at_end)
{
    for (int i = 0; i < GC_BLOCK; i++) b->value[i] = b->slope[i] = b->curve[i] = b->decay[i] = 0.0;
    for (int k = 0; k < s->groups; k++) {
        const gc_group *g = &s->group[k];
        double vol = at_end ? g->end_vol : g->mark_vol;
        if (g->expiry_step <= step) continue;
        if (s->inverse)
            GC_LOOP(gc_add_value)(b, g, vol, GC_LOOP(gc_view_of)(b, s, g, step), 1);
        else
            GC_LOOP(gc_add_value)(b, g, vol, GC_LOOP(gc_view_of)(b, s, g, step), 0);
    }
}

/* Payoffs of the options that expire at this step. */
static GC_TARGET void GC_LOOP(gc_settle)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, int64_t step)
{
    const double *GC_RESTRICT price = s->window ? b->average : b->paths.price;
    double *GC_RESTRICT settled = b->settled;
    for (int k = 0; k < s->groups; k++) {
        const gc_group *g = &s->group[k];
        if (g->expiry_step != step) continue;
        double calls = g->calls_and_puts - g->puts, puts = g->puts, strike = g->strike;
        int inverse = s->inverse;
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) {
            double above = price[i] - strike;
            double payoff = above > 0.0 ? calls * above : -(puts * above);
            settled[i] += inverse ? payoff / price[i] : payoff;
        }
    }
}

/* ---- decisions ------------------------------------------------------------------- */

#ifndef GC_EACH_ACCOUNT
/* Every policy that has computed its own half-widths. */
#define GC_OWN_BAND GC_POLICIES
/* One kind of policy in the accounts there are; only inverse ones know equity in coin. */
#define GC_EACH_ACCOUNT(decide, kind)                              \
    case kind:                                                     \
        if (equity) decide(b, s, rule, kind, 1, 1);                \
        else if (s->inverse) decide(b, s, rule, kind, 1, 0);       \
        else decide(b, s, rule, kind, 0, 0);                       \
        break
#endif

/* Notional at the prices of the fills, half a spread from the mark: `traded` at the mark, of which `bought` net. */
GC_INLINE double GC_LOOP(gc_at_fills)(const gc_simulation *s, double traded, double bought)
{
    double h = s->half_spread;
    return s->inverse ? (traded - h * bought) / (1.0 - h * h) : traded + h * bought;
}

/* Whole equity in coin: option value and payoffs, hedge, costs, and the premium unless it was
 * borrowed in USD. The hedge's own value cancels against its delta, see gc_decide. */
GC_INLINE double GC_LOOP(gc_equity)(const GC_LOOP(gc_hedges) *b, const gc_simulation *s, int i, double funds)
{
    double notional = GC_LOOP(gc_at_fills)(s, b->notional[i], b->cash[i]);
    double costs = (s->fee + s->half_spread) * notional + s->fixed_fee * b->trades[i] + b->funding[i];
    return funds + b->settled[i] + b->value[i] + b->cash[i] - b->units[i] * b->inverse_price[i] - costs;
}

GC_INLINE void GC_LOOP(gc_decide)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, const gc_rule *rule, int kind,
                                  int inverse, int equity)
{
    const double *GC_RESTRICT price = b->paths.price, *GC_RESTRICT x = b->paths.log_price;
    const double *GC_RESTRICT delta = b->delta, *GC_RESTRICT width = b->width;
    const double *GC_RESTRICT inverse_price = b->inverse_price;
    double *GC_RESTRICT units = b->units, *GC_RESTRICT cash = b->cash, *GC_RESTRICT coins = b->coins;
    double *GC_RESTRICT notional = b->notional, *GC_RESTRICT trades = b->trades, *GC_RESTRICT last = b->last;
    double *GC_RESTRICT residual = b->residual;
    double ratio = s->ratio, target = s->target, dust = rule->dust;
    double funds = s->financed - s->premium - s->entry_fee;
    int moves = kind == GC_MOVE_USD || kind == GC_MOVE_RELATIVE || kind == GC_MOVE_SIGMA;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double held = inverse ? units[i] * inverse_price[i] : units[i];
        double mismatch = ratio * delta[i] + held - target;
        double trade = -mismatch;
        if (equity) {
            mismatch += GC_LOOP(gc_equity)(b, s, i, funds);
            trade = -mismatch;
        }
        if (kind == GC_BAND) trade = gc_band_trade(mismatch, rule->lower, rule->upper, rule->to_edge);
        if (kind == GC_OWN_BAND) trade = gc_band_trade(mismatch, width[i], width[i], rule->to_edge);
        if (moves) {
            double now = kind == GC_MOVE_SIGMA ? x[i] : price[i];
            int fired = gc_moved(kind, rule, price[i], x[i], last[i]);
            trade = fired ? trade : 0.0;
            last[i] = fired ? now : last[i];
        }
        double size = trade < 0.0 ? -trade : trade;
        int traded = size > dust;
        trade = traded ? trade : 0.0;
        size = traded ? size : 0.0;
        trades[i] += traded ? 1.0 : 0.0;
        coins[i] += size;
        residual[i] = mismatch + trade;
        if (inverse) {
            units[i] += trade * price[i];
            cash[i] += trade;
            notional[i] += size;
        } else {
            double money = trade * price[i];
            units[i] += trade;
            cash[i] -= money;
            notional[i] += money < 0.0 ? -money : money;
        }
    }
}

/* GC_NEVER stands for: measure the mismatch, trade nothing. */
GC_INLINE void GC_LOOP(gc_measure)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, int equity)
{
    double funds = s->financed - s->premium - s->entry_fee;
    for (int i = 0; i < GC_BLOCK; i++) {
        double held = s->inverse ? b->units[i] * b->inverse_price[i] : b->units[i];
        b->residual[i] = s->ratio * b->delta[i] + held - s->target;
        if (equity) b->residual[i] += GC_LOOP(gc_equity)(b, s, i, funds);
    }
}

static GC_TARGET void GC_LOOP(gc_decide_kind)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, const gc_rule *rule,
                                              int kind, int equity)
{
    switch (kind) {
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_INTERVAL);
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_BAND);
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_MOVE_USD);
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_MOVE_RELATIVE);
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_MOVE_SIGMA);
        GC_EACH_ACCOUNT(GC_LOOP(gc_decide), GC_OWN_BAND);
    default: GC_LOOP(gc_measure)(b, s, equity); break;
    }
}

GC_INLINE void GC_LOOP(gc_widths_of)(GC_LOOP(gc_hedges) *b, const gc_rule *rule, int kind, double ratio)
{
    const double *GC_RESTRICT price = b->paths.price, *GC_RESTRICT inverse = b->inverse_price;
    const double *GC_RESTRICT gamma = b->gamma;
    double *GC_RESTRICT width = b->width;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) width[i] = gc_half_width(kind, rule, price[i], inverse[i], ratio * gamma[i]);
}

/* Half-widths of a policy that has its own; the kind to decide by. */
static GC_TARGET int GC_LOOP(gc_own_widths)(GC_LOOP(gc_hedges) *b, const gc_rule *rule, int kind, double ratio)
{
    switch (kind) {
    case GC_WHALLEY_WILMOTT: GC_LOOP(gc_widths_of)(b, rule, GC_WHALLEY_WILMOTT, ratio); return GC_OWN_BAND;
    case GC_ZAKAMOULINE: GC_LOOP(gc_widths_of)(b, rule, GC_ZAKAMOULINE, ratio); return GC_OWN_BAND;
    case GC_FIXED_COST: GC_LOOP(gc_widths_of)(b, rule, GC_FIXED_COST, ratio); return GC_OWN_BAND;
    default: return kind;
    }
}

static GC_TARGET void GC_LOOP(gc_vol_factors)(GC_LOOP(gc_hedges) *b, const gc_rule *rule, double ratio)
{
    const double *GC_RESTRICT price = b->paths.price, *GC_RESTRICT gamma = b->gamma;
    double *GC_RESTRICT factor = b->factor;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) factor[i] = gc_vol_factor(rule, price[i], ratio * gamma[i]);
}

/* Volatility and time to expiry of the options left, averaged by their amounts. */
static void GC_LOOP(gc_averages)(const GC_LOOP(gc_hedges) *b, const gc_simulation *s, int64_t step, double *vol, double *tau)
{
    double size = 0.0, vols = 0.0, taus = 0.0;
    for (int k = 0; k < s->groups; k++) {
        const gc_group *g = &s->group[k];
        if (g->expiry_step <= step) continue;
        size += g->size;
        vols += g->size * g->hedge_vol;
        taus += g->size * GC_LOOP(gc_view_of)(b, s, g, step).tau;
    }
    *vol = size > 0.0 ? vols / size : 1.0;
    *tau = size > 0.0 ? taus / size : 1.0;
}

/* What the policy does at a step: GC_NEVER where it does not look at all. */
static int GC_LOOP(gc_kind_at)(const gc_simulation *s, int64_t step)
{
    const gc_policy *p = &s->policy;
    if (p->kind == GC_NEVER) return GC_NEVER;
    if (step == 0 && s->hedge_at_start) return GC_INTERVAL;
    if (p->kind == GC_INTERVAL) return step > 0 && step % p->every == 0 ? GC_INTERVAL : GC_NEVER;
    return p->kind;
}

static GC_TARGET void GC_LOOP(gc_hedge_at)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, GC_LOOP(gc_wants) wants,
                                           int64_t step)
{
    int kind = GC_LOOP(gc_kind_at)(s, step), zakamouline = s->policy.kind == GC_ZAKAMOULINE;
    if (kind == GC_NEVER && !wants.residual) return;
    double vol, tau;
    GC_LOOP(gc_averages)(b, s, step, &vol, &tau);
    gc_rule rule = gc_rule_at(&s->policy, vol, tau);
    GC_LOOP(gc_book_delta)(b, s, step, wants.gamma, 0);
    if (zakamouline) {
        GC_LOOP(gc_vol_factors)(b, &rule, s->ratio);
        GC_LOOP(gc_book_delta)(b, s, step, 0, 1);
    }
    GC_LOOP(gc_decide_kind)(b, s, &rule, GC_LOOP(gc_own_widths)(b, &rule, kind, s->ratio), wants.equity);
    if (!wants.residual) return;
    for (int i = 0; i < GC_BLOCK; i++) b->residual_squares[i] += b->residual[i] * b->residual[i];
}

/* ---- accounts -------------------------------------------------------------------- */

/* Longs pay when the rate is positive, on the notional held over the step. */
static GC_TARGET void GC_LOOP(gc_fund)(GC_LOOP(gc_hedges) *b, const gc_simulation *s)
{
    const double *GC_RESTRICT scale = s->inverse ? b->inverse_price : b->paths.price;
    const double *GC_RESTRICT units = b->units;
    double *GC_RESTRICT funding = b->funding, rate = s->funding * s->dt;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) funding[i] += rate * (units[i] * scale[i]);
}

/* First-order, second-order and time terms of the step just made. */
static GC_TARGET void GC_LOOP(gc_explain)(GC_LOOP(gc_hedges) *b, const gc_simulation *s)
{
    const double *GC_RESTRICT price = b->paths.price, *GC_RESTRICT before = b->paths.before;
    const double *GC_RESTRICT slope = b->slope, *GC_RESTRICT curve = b->curve, *GC_RESTRICT decay = b->decay;
    double *GC_RESTRICT delta = b->delta_line, *GC_RESTRICT gamma = b->gamma_line, *GC_RESTRICT theta = b->theta_line;
    double dt = s->dt;
    int inverse = s->inverse;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double move = inverse ? 1.0 / price[i] - 1.0 / before[i] : price[i] - before[i];
        delta[i] += slope[i] * move;
        gamma[i] += 0.5 * curve[i] * move * move;
        theta[i] += decay[i] * dt;
    }
}

static GC_TARGET void GC_LOOP(gc_inverse_prices)(GC_LOOP(gc_hedges) *b)
{
    const double *GC_RESTRICT price = b->paths.price;
    double *GC_RESTRICT inverse = b->inverse_price;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) inverse[i] = 1.0 / price[i];
}

static GC_TARGET void GC_LOOP(gc_square_returns)(GC_LOOP(gc_hedges) *b)
{
    for (int i = 0; i < GC_BLOCK; i++) {
        double r = gc_log_ratio(b->paths.price[i], b->paths.before[i]);
        b->squares[i] += r * r;
    }
}

static GC_TARGET void GC_LOOP(gc_walk)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, GC_LOOP(gc_wants) wants, int lanes)
{
    for (int64_t step = 0; step < s->steps; step++) {
        if (wants.inverse_price) GC_LOOP(gc_inverse_prices)(b);
        if (wants.lines || wants.equity) GC_LOOP(gc_book_value)(b, s, step, 0);
        GC_LOOP(gc_hedge_at)(b, s, wants, step);
        if (s->funding != 0.0) GC_LOOP(gc_fund)(b, s);
        int64_t fixed = GC_LOOP(gc_steps_fixed)(s, step + 1);
        if (wants.lines || wants.squares || fixed) memcpy(b->paths.before, b->paths.price, sizeof b->paths.price);
        GC_LOOP(gc_advance)(&b->paths, s, step, lanes);
        if (fixed) GC_LOOP(gc_fix)(b, s, fixed);
        if (wants.lines) GC_LOOP(gc_explain)(b, s);
        if (wants.squares) GC_LOOP(gc_square_returns)(b);
        GC_LOOP(gc_settle)(b, s, step + 1);
    }
}

/* Closes what hedge is left, at its costs. */
static GC_TARGET void GC_LOOP(gc_liquidate)(GC_LOOP(gc_hedges) *b, const gc_simulation *s)
{
    for (int i = 0; i < GC_BLOCK; i++) {
        double price = b->paths.price[i], trade = s->inverse ? -b->units[i] / price : -b->units[i];
        double size = trade < 0.0 ? -trade : trade;
        int traded = size > s->policy.dust;
        b->trades[i] += traded ? 1.0 : 0.0;
        b->coins[i] += size;
        b->notional[i] += s->inverse ? size : size * price;
    }
}

/* The columns of one lane, given the value at the end at both volatilities. */
static void GC_LOOP(gc_columns)(const GC_LOOP(gc_hedges) *b, const gc_simulation *s, int i, double at_mark, double *column)
{
    double price = b->paths.price[i];
    double options = b->settled[i] + b->value[i] - s->premium;
    double hedge = s->inverse ? b->cash[i] - b->units[i] / price : b->cash[i] + b->units[i] * price;
    /* the hedge is what was bought less what was sold at marks, and what is left, marked unless closed */
    double bought = s->liquidate ? hedge : b->cash[i];
    double at_fills = GC_LOOP(gc_at_fills)(s, b->notional[i], s->inverse ? bought : -bought);
    double fees = s->fee * at_fills + s->fixed_fee * b->trades[i] + s->entry_fee;
    double spread = s->half_spread * (s->inverse ? at_fills : b->notional[i]), funding = -b->funding[i];
    double pnl = options + hedge - fees - spread + funding, vega = b->value[i] - at_mark;
    double lines = b->delta_line[i] + b->gamma_line[i] + b->theta_line[i] + vega;
    double in_usd = (pnl + s->financed) * price - s->financed * s->start;
    column[GC_OUT_PNL] = pnl;
    column[GC_OUT_PNL_USD] = s->inverse ? in_usd : pnl;
    column[GC_OUT_TRADES] = b->trades[i];
    column[GC_OUT_TURNOVER] = b->coins[i];
    column[GC_OUT_FEES] = fees;
    column[GC_OUT_SPREAD] = spread;
    column[GC_OUT_FUNDING] = funding;
    column[GC_OUT_HEDGE] = hedge;
    column[GC_OUT_OPTIONS] = options;
    column[GC_OUT_DELTA] = b->delta_line[i];
    column[GC_OUT_GAMMA] = b->gamma_line[i];
    column[GC_OUT_THETA] = b->theta_line[i];
    column[GC_OUT_VEGA] = vega;
    column[GC_OUT_HIGHER_ORDER] = options - lines;
    column[GC_OUT_MISMATCH] = b->residual_squares[i] / (double)s->steps;
    column[GC_OUT_VARIANCE] = b->squares[i] / s->years;
    column[GC_OUT_PRICE] = price;
}

static GC_TARGET void GC_LOOP(gc_finish)(GC_LOOP(gc_hedges) *b, const gc_simulation *s, ptrdiff_t offset, int lanes,
                                         double *const *out)
{
    double at_mark[GC_BLOCK], column[GC_OUT_COLUMNS];
    GC_LOOP(gc_book_value)(b, s, s->steps, 0);
    memcpy(at_mark, b->value, sizeof at_mark);
    GC_LOOP(gc_book_value)(b, s, s->steps, 1);
    if (s->liquidate) GC_LOOP(gc_liquidate)(b, s);
    for (int i = 0; i < lanes; i++) {
        GC_LOOP(gc_columns)(b, s, i, at_mark[i], column);
        for (int c = 0; c < GC_OUT_COLUMNS; c++)
            if (out[c]) out[c][offset + i] = column[c];
    }
}

static GC_LOOP(gc_wants) GC_LOOP(gc_wants_of)(const gc_simulation *s, double *const *out)
{
    int kind = s->policy.kind;
    GC_LOOP(gc_wants) w = {0, 0, 0, 0, 0, 0};
    w.lines = out[GC_OUT_DELTA] || out[GC_OUT_GAMMA] || out[GC_OUT_THETA] || out[GC_OUT_HIGHER_ORDER];
    w.residual = out[GC_OUT_MISMATCH] != 0;
    w.squares = out[GC_OUT_VARIANCE] != 0;
    w.equity = s->numeraire == GC_DELTA_USD;
    w.gamma = kind == GC_WHALLEY_WILMOTT || kind == GC_ZAKAMOULINE || kind == GC_FIXED_COST;
    w.inverse_price = w.gamma || s->inverse;
    return w;
}

/* The paths [first, end) into out[column][path - first]. */
static GC_TARGET void GC_LOOP(gc_simulate)(const gc_simulation *s, ptrdiff_t first, ptrdiff_t end, double *const *out)
{
    GC_LOOP(gc_hedges) b;
    GC_LOOP(gc_wants) wants = GC_LOOP(gc_wants_of)(s, out);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int lanes = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK;
        memset(&b, 0, sizeof b);
        GC_LOOP(gc_start_paths)(&b.paths, s, start);
        for (int i = 0; i < GC_BLOCK; i++) b.last[i] = s->policy.kind == GC_MOVE_SIGMA ? 0.0 : s->start;
        GC_LOOP(gc_walk)(&b, s, wants, lanes);
        GC_LOOP(gc_finish)(&b, s, start - first, lanes, out);
    }
}
