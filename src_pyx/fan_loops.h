/* The fan over blocks of paths: prices once, then position by position. Included once per instruction set, see
 * hedge_levels.h. A lane depends on its path alone, so that every level gives the same bits. */

/* A leg at one step: d = x inv_total + shift. */
typedef struct {
    float total, inv_total, shift, amount, puts;
} GC_LOOP(gc_fan_at);

/* The rule at one step. `spread` and `look`: deviation of the price over the step, and between two looks. */
typedef struct {
    float lower, upper, threshold, width, width_over_price, k;
    float spread, look, variance;
    float narrow; /* threshold that is simulated */
    float ratio; /* of turnover, where it is one number for all paths */
} GC_LOOP(gc_fan_rule);

typedef struct {
    float delta[GC_BLOCK], gamma[GC_BLOCK]; /* of the book, and its change with the logarithm of the price */
    float factor[GC_BLOCK], width[GC_BLOCK];
    float held[GC_BLOCK], cash[GC_BLOCK], turnover[GC_BLOCK], last[GC_BLOCK];
    float settled[GC_BLOCK];
} GC_LOOP(gc_fan_block);

/* ---- prices ---------------------------------------------------------------------- */

/* One step of the paths of one volatility. The prices have the mean 1: the price is a martingale whatever moves it,
 * and sampling leaves it one. */
static GC_TARGET void GC_LOOP(gc_fan_step)(const gc_fan *f, int64_t step, int64_t first, int64_t end, float scale)
{
    ptrdiff_t row = (ptrdiff_t)(f->steps + 1) * GC_BLOCK;
    float sums[GC_BLOCK];
    double sum = 0.0;
    for (int i = 0; i < GC_BLOCK; i++) sums[i] = 0.0f;
    for (int64_t b = first; b < end; b++) {
        const float *GC_RESTRICT move = f->moves + step * f->paths + b * GC_BLOCK;
        const float *GC_RESTRICT x = f->log_price + b * row + step * GC_BLOCK;
        float *GC_RESTRICT next = f->log_price + b * row + (step + 1) * GC_BLOCK;
        float *GC_RESTRICT price = f->price + b * row + (step + 1) * GC_BLOCK;
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) {
            next[i] = x[i] + scale * move[i];
            price[i] = gc_single_exp(next[i]);
            sums[i] += price[i];
        }
    }
    for (int i = 0; i < GC_BLOCK; i++) sum += (double)sums[i];
    double over = (double)((end - first) * GC_BLOCK) / sum;
    float ratio = (float)over, shift = (float)log(over);
    for (int64_t b = first; b < end; b++) {
        float *GC_RESTRICT x = f->log_price + b * row + (step + 1) * GC_BLOCK;
        float *GC_RESTRICT price = f->price + b * row + (step + 1) * GC_BLOCK;
        float *GC_RESTRICT inverse = f->inverse + b * row + (step + 1) * GC_BLOCK;
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) {
            x[i] += shift;
            price[i] *= ratio;
            inverse[i] = 1.0f / price[i];
        }
    }
}

static GC_TARGET void GC_LOOP(gc_fan_prices)(const gc_fan *f)
{
    ptrdiff_t row = (ptrdiff_t)(f->steps + 1) * GC_BLOCK;
    int64_t blocks = f->paths / GC_BLOCK, each = blocks / f->vols;
    double life = sqrt(f->time[f->steps]);
    for (int64_t b = 0; b < blocks; b++)
        for (int i = 0; i < GC_BLOCK; i++) {
            f->log_price[b * row + i] = 0.0f;
            f->price[b * row + i] = f->inverse[b * row + i] = 1.0f;
        }
    for (int64_t step = 0; step < f->steps; step++)
        for (int64_t k = 0; k < f->vols; k++)
            GC_LOOP(gc_fan_step)(f, step, k * each, (k + 1) * each, (float)(f->vol[k] * life));
}

/* ---- deltas ---------------------------------------------------------------------- */

static GC_LOOP(gc_fan_at) GC_LOOP(gc_fan_leg_at)(const gc_fan_leg *leg, double left)
{
    double total = leg->vol * sqrt(left), inverse = 1.0 / total;
    GC_LOOP(gc_fan_at) at = {(float)total, (float)inverse, (float)(0.5 * total - leg->log_strike * inverse),
                             (float)leg->amount, (float)leg->puts};
    return at;
}

static GC_TARGET void GC_LOOP(gc_fan_add_delta)(GC_LOOP(gc_fan_block) *s, GC_LOOP(gc_fan_at) at, const float *log_price,
                                                float kept)
{
    const float *GC_RESTRICT x = log_price;
    float *GC_RESTRICT delta = s->delta, *GC_RESTRICT gamma = s->gamma;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float n, phi;
        gc_single_normal(x[i] * at.inv_total + at.shift, &n, &phi);
        delta[i] = kept * delta[i] + (at.amount * n - at.puts);
        gamma[i] = kept * gamma[i] + at.amount * phi * at.inv_total;
    }
}

/* d^2/2, as far out as gc_single_normal goes. */
GC_INLINE float GC_LOOP(gc_fan_exponent)(float d)
{
    float half_square = 0.5f * (d * d), most = 0.5f * (GC_SINGLE_FAR * GC_SINGLE_FAR);
    return half_square > most ? most : half_square;
}

/* Gamma alone. */
static GC_TARGET void GC_LOOP(gc_fan_add_gamma)(GC_LOOP(gc_fan_block) *s, GC_LOOP(gc_fan_at) at, const float *log_price,
                                                float kept)
{
    const float *GC_RESTRICT x = log_price;
    float *GC_RESTRICT gamma = s->gamma;
    float scale = at.amount * at.inv_total * GC_SINGLE_INV_SQRT_2PI;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++)
        gamma[i] = kept * gamma[i] + scale * gc_single_exp_within(-GC_LOOP(gc_fan_exponent)(x[i] * at.inv_total + at.shift));
}

/* Delta at a volatility that is `factor` times the leg's. */
static GC_TARGET void GC_LOOP(gc_fan_add_modified)(GC_LOOP(gc_fan_block) *s, GC_LOOP(gc_fan_at) at, float log_strike,
                                                   const float *log_price, float kept)
{
    const float *GC_RESTRICT x = log_price, *GC_RESTRICT factor = s->factor;
    float *GC_RESTRICT delta = s->delta;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float n, phi, total = at.total * factor[i];
        gc_single_normal((x[i] - log_strike) / total + 0.5f * total, &n, &phi);
        delta[i] = kept * delta[i] + (at.amount * n - at.puts);
    }
}

/* ---- widths ---------------------------------------------------------------------- */

/* See policy.h for the formulas; the change of delta with the logarithm of the price is F G. */
static GC_TARGET void GC_LOOP(gc_fan_widths)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r, int kind,
                                             const float *log_price, const float *inverse_price)
{
    const float *GC_RESTRICT x = log_price, *GC_RESTRICT inverse = inverse_price, *GC_RESTRICT gamma = s->gamma;
    float *GC_RESTRICT width = s->width;
    float scale = r->width, over = r->width_over_price;
    if (kind == GC_WHALLEY_WILMOTT) {
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) {
            float log_gamma = gc_single_log(fabsf(gamma[i]));
            width[i] = scale * gc_single_exp((2.0f * log_gamma - x[i]) * 0.333333333f);
        }
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++)
            width[i] = over * inverse[i] + scale * sqrtf(fabsf(gamma[i]) * inverse[i]);
    }
}

static GC_TARGET void GC_LOOP(gc_fan_factors)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r, const float *log_price)
{
    const float *GC_RESTRICT x = log_price, *GC_RESTRICT gamma = s->gamma;
    float *GC_RESTRICT factor = s->factor;
    float k = r->k;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float change = k * gc_single_exp(0.15f * (x[i] + gc_single_log(fabsf(gamma[i]))));
        float share = 1.0f + (gamma[i] < 0.0f ? -change : change);
        factor[i] = sqrtf(share < (float)GC_SMALLEST_VARIANCE_SHARE ? (float)GC_SMALLEST_VARIANCE_SHARE : share);
    }
}

/* Whalley and Wilmott's width of one leg: no logarithm is needed where gamma is one exponential. */
static GC_TARGET void GC_LOOP(gc_fan_whalley_wilmott)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r,
                                                      GC_LOOP(gc_fan_at) at, const float *log_price)
{
    const float *GC_RESTRICT x = log_price;
    float *GC_RESTRICT width = s->width;
    float scale = r->width * powf(fabsf(at.amount * at.inv_total) * GC_SINGLE_INV_SQRT_2PI, 0.666666667f);
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float exponent = GC_LOOP(gc_fan_exponent)(x[i] * at.inv_total + at.shift);
        width[i] = scale * gc_single_exp_within((-2.0f * exponent - x[i]) * 0.333333333f);
    }
}

/* Zakamouline's gamma, width and factor of one leg. All are powers of F phi, by one exponential: the 20th root of it,
 * whose 3rd power is that to the 0.15. Relative error of gamma 4e-6. */
static GC_TARGET void GC_LOOP(gc_fan_zakamouline)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r,
                                                  GC_LOOP(gc_fan_at) at, const float *log_price, const float *inverse_price)
{
    const float *GC_RESTRICT x = log_price, *GC_RESTRICT inverse = inverse_price;
    float *GC_RESTRICT gamma = s->gamma, *GC_RESTRICT width = s->width, *GC_RESTRICT factor = s->factor;
    float scale = at.amount * at.inv_total * GC_SINGLE_INV_SQRT_2PI, size = fabsf(scale);
    float k = r->k * powf(size, 0.15f), half = r->width * sqrtf(size), over = r->width_over_price;
    if (scale < 0.0f) k = -k;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float exponent = GC_LOOP(gc_fan_exponent)(x[i] * at.inv_total + at.shift);
        float u = gc_single_exp_within(0.05f * (x[i] - exponent)), u2 = u * u, u5 = (u2 * u2) * u, u10 = u5 * u5;
        float share = 1.0f + k * (u2 * u);
        factor[i] = sqrtf(share < (float)GC_SMALLEST_VARIANCE_SHARE ? (float)GC_SMALLEST_VARIANCE_SHARE : share);
        width[i] = (over + half * u10) * inverse[i];
        gamma[i] = scale * (u10 * u10) * inverse[i];
    }
}

/* ---- decisions ------------------------------------------------------------------- */

#ifndef GC_FAN_OWN
#define GC_FAN_OWN GC_POLICIES /* every policy that has computed its own half-widths */
#endif

/* The forms of gc_fan_look: turnover a look is S^2 times `over` by `under`, `square` the mean square. */
typedef struct {
    float over, under, square;
} GC_LOOP(gc_fan_forms);

GC_INLINE GC_LOOP(gc_fan_forms) GC_LOOP(gc_fan_forms_of)(const gc_fan_look *l, float width, float spread)
{
    float ww = width * width, ws = width * spread, ss = spread * spread, past = l->e * ws - l->f * ss;
    GC_LOOP(gc_fan_forms) found = {width + l->c * spread, ww + l->a * ws + l->b * ss,
                                   l->g * ww + (past > 0.0f ? past : 0.0f) + 0.5f * ss};
    return found;
}

/* A decision, and what the mismatch it leaves earns until the next one. `first` hedges whatever there is. */
GC_INLINE void GC_LOOP(gc_fan_decide)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r, const gc_fan_look *l,
                                      int kind, float to_edge, int first, const float *log_price, const float *at,
                                      const float *inverse_price, const float *speed)
{
    const float *GC_RESTRICT pace = speed, *GC_RESTRICT price = at, *GC_RESTRICT next = at + GC_BLOCK, *GC_RESTRICT x = log_price;
    const float *GC_RESTRICT inverse = inverse_price;
    const float *GC_RESTRICT delta = s->delta, *GC_RESTRICT gamma = s->gamma, *GC_RESTRICT own = s->width;
    float *GC_RESTRICT held = s->held, *GC_RESTRICT cash = s->cash, *GC_RESTRICT turnover = s->turnover;
    float *GC_RESTRICT last = s->last;
    int moves = kind == GC_MOVE_USD || kind == GC_MOVE_RELATIVE || kind == GC_MOVE_SIGMA;
    int banded = kind == GC_BAND || kind == GC_FAN_OWN;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float y = delta[i] - held[i], trade = y, ratio = r->ratio;
        float size = fabsf(gamma[i]), fast = fabsf(pace[i]), width = 0.0f, narrow = 0.0f; /* narrow: as simulated */
        float far = size * (fast * r->spread), near = size * (fast * r->look);
        if (banded) {
            float upper = kind == GC_BAND ? r->upper : own[i], lower = kind == GC_BAND ? r->lower : own[i];
            float past = GC_FAN_OVERSHOOT * (far - near);
            width = (kind == GC_BAND ? 0.5f * (upper + lower) : upper) + 1e-6f;
            upper -= past, lower -= past;
            upper = upper > 0.0f ? upper : 0.0f;
            lower = lower > 0.0f ? lower : 0.0f;
            float within = y > upper ? upper : y;
            within = within < -lower ? -lower : within;
            trade = y != within ? y - to_edge * within : 0.0f;
            narrow = (kind == GC_BAND ? 0.5f * (upper + lower) : upper) + 1e-6f;
        }
        if (moves) {
            float now = kind == GC_MOVE_SIGMA ? x[i] : price[i];
            float unit = kind == GC_MOVE_RELATIVE ? last[i] : 1.0f;
            float moved = fabsf(now - last[i]);
            int fired = moved > r->narrow * unit;
            trade = fired ? trade : 0.0f;
            last[i] = fired ? now : last[i];
            width = size * r->threshold, narrow = size * r->narrow;
        }
        trade = first ? y : trade;
        held[i] += trade;
        float over = next[i] * inverse[i] - 1.0f;
        float earned = (y - trade) * over + 0.5f * gamma[i] * (over * over - fast * fast * r->variance);
        GC_LOOP(gc_fan_forms) wanted = GC_LOOP(gc_fan_forms_of)(l, width, near);
        GC_LOOP(gc_fan_forms) found = GC_LOOP(gc_fan_forms_of)(l, narrow, far);
        float less = sqrtf(wanted.square / (found.square + 1e-20f)) - 1.0f;
        if (banded) ratio = found.under * wanted.over / (wanted.under * found.over);
        turnover[i] += ratio * (fabsf(trade) * price[i]);
        less = pace[i] < 0.0f ? 0.0f : less; /* nobody hedges within a jump */
        cash[i] += price[i] * (trade + less * earned);
    }
}

static GC_TARGET void GC_LOOP(gc_fan_decide_kind)(GC_LOOP(gc_fan_block) *s, const GC_LOOP(gc_fan_rule) *r, int kind,
                                                  float to_edge, int first, const float *x, const float *price,
                                                  const float *inverse, const float *pace)
{
    const gc_fan_look *l = to_edge != 0.0f ? &GC_FAN_TO_EDGE : &GC_FAN_TO_CENTRE;
    switch (kind) {
    case GC_INTERVAL: GC_LOOP(gc_fan_decide)(s, r, l, GC_INTERVAL, to_edge, first, x, price, inverse, pace); break;
    case GC_BAND: GC_LOOP(gc_fan_decide)(s, r, l, GC_BAND, to_edge, first, x, price, inverse, pace); break;
    case GC_MOVE_USD: GC_LOOP(gc_fan_decide)(s, r, l, GC_MOVE_USD, to_edge, first, x, price, inverse, pace); break;
    case GC_MOVE_RELATIVE: GC_LOOP(gc_fan_decide)(s, r, l, GC_MOVE_RELATIVE, to_edge, first, x, price, inverse, pace); break;
    case GC_MOVE_SIGMA: GC_LOOP(gc_fan_decide)(s, r, l, GC_MOVE_SIGMA, to_edge, first, x, price, inverse, pace); break;
    default: GC_LOOP(gc_fan_decide)(s, r, l, GC_FAN_OWN, to_edge, first, x, price, inverse, pace); break;
    }
}

/* What of a position's rule does not depend on the volatility that is realised. */
static void GC_LOOP(gc_fan_rules)(const gc_fan *f, const gc_fan_leg *legs, GC_LOOP(gc_fan_rule) *rules)
{
    for (int64_t step = 0; step < f->steps; step++) {
        double size = 0.0, vols = 0.0, taus = 0.0;
        for (int64_t k = 0; k < f->legs; k++) {
            double each = fabs(legs[k].amount - legs[k].puts) + fabs(legs[k].puts);
            if (legs[k].end <= step) continue;
            size += each;
            vols += each * legs[k].vol;
            taus += each * (legs[k].expiry - f->time[step]);
        }
        gc_rule rule = gc_rule_at(&f->policy, size > 0.0 ? vols / size : 1.0, size > 0.0 ? taus / size : 1.0);
        GC_LOOP(gc_fan_rule) found = {(float)rule.lower, (float)rule.upper, (float)rule.threshold, (float)rule.width,
                                      (float)rule.width_over_price, (float)rule.k, 0.0f, 0.0f, 0.0f, 0.0f, 1.0f};
        rules[step] = found;
    }
}

/* What does. */
static void GC_LOOP(gc_fan_realised)(const gc_fan *f, double vol, GC_LOOP(gc_fan_rule) *rules)
{
    int kind = f->policy.kind;
    const gc_fan_look *l = &GC_FAN_TO_CENTRE;
    for (int64_t step = 0; step < f->steps; step++) {
        GC_LOOP(gc_fan_rule) *r = &rules[step];
        double dt = f->time[step + 1] - f->time[step], look = f->look < dt ? f->look : dt;
        double spread = vol * sqrt(dt), near = vol * sqrt(look), w = (double)r->threshold;
        double past = GC_FAN_OVERSHOOT * (spread - near), narrow = w > past ? w - past : 0.0;
        r->spread = (float)spread, r->look = (float)near, r->variance = (float)(spread * spread);
        r->narrow = (float)narrow;
        if (kind == GC_INTERVAL) r->ratio = near > 0.0 ? (float)(spread / near) : 1.0f;
        if (kind == GC_MOVE_USD || kind == GC_MOVE_RELATIVE || kind == GC_MOVE_SIGMA) {
            double seen = w * (w + l->a * near) + l->b * near * near;
            double walked = narrow * (narrow + l->a * spread) + l->b * spread * spread;
            r->ratio = (float)(walked * (w + l->c * near) / (seen * (narrow + l->c * spread)));
        }
    }
}

/* ---- one position along one block ------------------------------------------------- */

static GC_TARGET void GC_LOOP(gc_fan_settle)(GC_LOOP(gc_fan_block) *s, const gc_fan_leg *leg, const float *at)
{
    const float *GC_RESTRICT price = at;
    float *GC_RESTRICT settled = s->settled;
    float strike = (float)exp(leg->log_strike), puts = (float)leg->puts, calls = (float)(leg->amount - leg->puts);
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float above = price[i] - strike;
        settled[i] += above > 0.0f ? calls * above : -(puts * above);
    }
}

/* Value of a leg that lives on: F (m N(d1) - b) - K (m N(d2) - b). */
static GC_TARGET void GC_LOOP(gc_fan_value)(GC_LOOP(gc_fan_block) *s, const gc_fan_leg *leg, double left, const float *log_price,
                                            const float *at_price)
{
    const float *GC_RESTRICT x = log_price, *GC_RESTRICT price = at_price;
    float *GC_RESTRICT settled = s->settled;
    GC_LOOP(gc_fan_at) at = GC_LOOP(gc_fan_leg_at)(leg, left);
    float strike = (float)exp(leg->log_strike);
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        float d = x[i] * at.inv_total + at.shift, n1, n2, phi;
        gc_single_normal(d, &n1, &phi);
        gc_single_normal(d - at.total, &n2, &phi);
        settled[i] += price[i] * (at.amount * n1 - at.puts) - strike * (at.amount * n2 - at.puts);
    }
}

#define GC_FAN_SHORTEST 1e-9 /* years, a third of a second: what is left of an option that is delivered */

static GC_TARGET void GC_LOOP(gc_fan_hedge_at)(GC_LOOP(gc_fan_block) *s, const gc_fan *f, const gc_fan_leg *legs,
                                               const GC_LOOP(gc_fan_rule) *rule, const GC_LOOP(gc_fan_at) *at, int64_t step,
                                               const float *x, const float *price, const float *inverse,
                                               const float *pace)
{
    float kept = 0.0f, to_edge = (float)f->policy.to_edge;
    int kind = f->policy.kind, alone = f->legs == 1;
    for (int64_t k = 0; k < f->legs; k++) {
        if (legs[k].end <= step || (alone && kind == GC_ZAKAMOULINE)) continue;
        if (kind == GC_ZAKAMOULINE) GC_LOOP(gc_fan_add_gamma)(s, at[k], x, kept);
        else GC_LOOP(gc_fan_add_delta)(s, at[k], x, kept);
        kept = 1.0f;
    }
    if (kind == GC_ZAKAMOULINE) {
        if (alone) GC_LOOP(gc_fan_zakamouline)(s, rule, at[0], x, inverse);
        else GC_LOOP(gc_fan_factors)(s, rule, x);
        kept = 0.0f;
        for (int64_t k = 0; k < f->legs; k++) {
            if (legs[k].end <= step) continue;
            GC_LOOP(gc_fan_add_modified)(s, at[k], (float)legs[k].log_strike, x, kept);
            kept = 1.0f;
        }
    }
    if (alone && kind == GC_WHALLEY_WILMOTT) GC_LOOP(gc_fan_whalley_wilmott)(s, rule, at[0], x);
    else if (kind == GC_WHALLEY_WILMOTT || (kind == GC_ZAKAMOULINE && !alone) || kind == GC_FIXED_COST)
        GC_LOOP(gc_fan_widths)(s, rule, kind, x, inverse);
    GC_LOOP(gc_fan_decide_kind)(s, rule, kind, to_edge, step == 0, x, price, inverse, pace);
    if (step > 0) return;
    for (int i = 0; i < GC_BLOCK; i++) s->turnover[i] = 0.0f; /* that of the first hedge is known */
}

static GC_TARGET void GC_LOOP(gc_fan_walk)(GC_LOOP(gc_fan_block) *s, const gc_fan *f, const gc_fan_leg *legs,
                                           const GC_LOOP(gc_fan_rule) *rules, const GC_LOOP(gc_fan_at) *at, const float *x,
                                           const float *price, const float *inverse, const float *pace)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < GC_BLOCK; i++) s->last[i] = f->policy.kind == GC_MOVE_SIGMA ? 0.0f : 1.0f;
    for (int64_t step = 0; step < f->steps; step++) {
        if (f->policy.kind != GC_NEVER)
            GC_LOOP(gc_fan_hedge_at)(s, f, legs, &rules[step], at + step * f->legs, step, x + step * GC_BLOCK,
                                     price + step * GC_BLOCK, inverse + step * GC_BLOCK, pace + step * f->paths);
        for (int64_t k = 0; k < f->legs; k++) {
            if (legs[k].end != step + 1) continue;
            const float *then = price + (step + 1) * GC_BLOCK;
            double left = legs[k].expiry - f->time[step + 1];
            if (left > GC_FAN_SHORTEST)
                GC_LOOP(gc_fan_value)(s, &legs[k], left, x + (step + 1) * GC_BLOCK, then);
            else
                GC_LOOP(gc_fan_settle)(s, &legs[k], then);
        }
    }
}

/* All positions; `out` has a row of `paths` for each position and column. `room` holds one rule and one point of each
 * leg a step. */
static GC_TARGET void GC_LOOP(gc_fan_run)(const gc_fan *f, void *room, float *const *out)
{
    GC_LOOP(gc_fan_block) s;
    GC_LOOP(gc_fan_rule) *rules = (GC_LOOP(gc_fan_rule) *)room;
    GC_LOOP(gc_fan_at) *at = (GC_LOOP(gc_fan_at) *)(rules + f->steps);
    ptrdiff_t row = (ptrdiff_t)(f->steps + 1) * GC_BLOCK;
    int64_t each = f->paths / GC_BLOCK / f->vols;
    GC_LOOP(gc_fan_prices)(f);
    for (int64_t p = 0; p < f->positions; p++) {
        const gc_fan_leg *legs = f->leg + p * f->legs;
        GC_LOOP(gc_fan_rules)(f, legs, rules);
        for (int64_t step = 0; step < f->steps; step++)
            for (int64_t k = 0; k < f->legs; k++)
                if (legs[k].end > step)
                    at[step * f->legs + k] = GC_LOOP(gc_fan_leg_at)(&legs[k], legs[k].expiry - f->time[step]);
        for (int64_t b = 0; b < each * f->vols; b++) {
            ptrdiff_t to = (ptrdiff_t)(p * f->paths + b * GC_BLOCK);
            const float *price = f->price + b * row, *end = price + f->steps * GC_BLOCK;
            if (b % each == 0) GC_LOOP(gc_fan_realised)(f, f->vol[b / each], rules);
            GC_LOOP(gc_fan_walk)(&s, f, legs, rules, at, f->log_price + b * row, price, f->inverse + b * row,
                                 f->pace + b * GC_BLOCK);
            for (int i = 0; i < GC_BLOCK; i++) {
                float worth = s.held[i] * end[i];
                out[GC_FAN_GROSS][to + i] = s.settled[i] + s.cash[i] - worth;
                out[GC_FAN_TURNOVER][to + i] = s.turnover[i];
                out[GC_FAN_LAST][to + i] = worth < 0.0f ? -worth : worth;
            }
        }
    }
}

/* ---- chances --------------------------------------------------------------------- */

/* Chance that mean + deviation > 0, where the deviation of each path is the weighted sum of two samples. The step is a
 * ramp as wide as `ramp`, so that the chance is smooth in the mean. */
static GC_TARGET double GC_LOOP(gc_fan_chance)(int64_t paths, const float *one, const float *other, float weight,
                                               float other_weight, float mean, float ramp)
{
    float sums[GC_BLOCK];
    float slope = 1.0f / ramp, at = 0.5f + mean * slope, wa = weight * slope, wb = other_weight * slope;
    double all = 0.0;
    for (int i = 0; i < GC_BLOCK; i++) sums[i] = 0.0f;
    for (int64_t first = 0; first < paths; first += GC_BLOCK) {
        const float *GC_RESTRICT a = one + first, *GC_RESTRICT b = other + first;
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) {
            float above = at + (wa * a[i] + wb * b[i]);
            above = above < 0.0f ? 0.0f : above;
            sums[i] += above > 1.0f ? 1.0f : above;
        }
    }
    for (int i = 0; i < GC_BLOCK; i++) all += (double)sums[i];
    return all / (double)paths;
}
