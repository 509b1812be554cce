/* Implied volatility over arrays, and all that follows from a quote in one pass; part of loops.h.
 */

/* One block of problems and their answers. */
typedef struct {
    double x[GC_BLOCK], l[GC_BLOCK], value[GC_BLOCK], small[GC_BLOCK], poison[GC_BLOCK], total[GC_BLOCK];
} GC_LOOP(gc_iv_block);

/* One group of lanes that share a method, gathered. */
typedef struct {
    int lane[GC_BLOCK + GC_LANES];
    double x[GC_BLOCK + GC_LANES], l[GC_BLOCK + GC_LANES], c[GC_BLOCK + GC_LANES];
    double guess[GC_BLOCK + GC_LANES], step[GC_BLOCK + GC_LANES];
    int count;
} GC_LOOP(gc_iv_group);

static GC_TARGET void GC_LOOP(gc_iv_gather)(const GC_LOOP(gc_iv_block) *p, const unsigned char *flag, int m,
                                            GC_LOOP(gc_iv_group) *g)
{
    g->count = GC_LOOP(gc_pick)(flag, m, g->lane);
    for (int j = 0; j < g->count; j++) {
        int i = g->lane[j];
        g->x[j] = p->x[i];
        g->l[j] = p->l[i];
        g->c[j] = p->value[i] / p->small[i];
        g->guess[j] = p->total[i];
    }
}

/* Tier 2 for lanes of one regime, from the guesses that are there. */
static GC_TARGET void GC_LOOP(gc_iv_second)(int tails, const unsigned char *flag, int m, GC_LOOP(gc_iv_block) *p)
{
    GC_LOOP(gc_iv_group) g;
    GC_LOOP(gc_iv_gather)(p, flag, m, &g);
    int count = GC_WHOLE(g.count);
    if (tails) {
        GC_INDEPENDENT
        for (int j = 0; j < count; j++) g.step[j] = gc_iv_step_tails(g.x[j], g.c[j], g.guess[j]);
    } else {
        GC_INDEPENDENT
        for (int j = 0; j < count; j++) g.step[j] = gc_iv_step_series(g.x[j], g.c[j], g.guess[j]);
    }
    for (int j = 0; j < count; j++) p->total[g.lane[j]] = g.step[j];
}

/* Flagged lanes are outside tier 1. Each group is gathered, so that nobody pays for
 * another's method; tier 3 is scalar. */
static GC_TARGET void GC_LOOP(gc_iv_remaining)(const unsigned char *flag, int m, GC_LOOP(gc_iv_block) *p)
{
    GC_LOOP(gc_iv_group) g;
    unsigned char series[GC_BLOCK] = {0}, tails[GC_BLOCK] = {0};
    GC_LOOP(gc_iv_gather)(p, flag, m, &g);
    int count = GC_WHOLE(g.count), any_series = 0, any_tails = 0;
    GC_INDEPENDENT
    for (int j = 0; j < count; j++) g.guess[j] = gc_iv_guess(g.x[j], g.l[j]);
    for (int j = 0; j < count; j++) {
        int i = g.lane[j];
        if (j && i == g.lane[j - 1]) continue; /* padding */
        p->total[i] = g.guess[j];
        if (!gc_iv_guess_holds(g.x[j], g.l[j], g.guess[j]))
            p->total[i] = gc_iv_iterate(g.x[j], g.l[j], p->value[i], p->small[i]);
        else if (gc_in_tails(g.x[j], g.guess[j]))
            any_tails = tails[i] = 1;
        else
            any_series = series[i] = 1;
    }
    if (any_series) GC_LOOP(gc_iv_second)(0, series, m, p);
    if (any_tails) GC_LOOP(gc_iv_second)(1, tails, m, p);
}

/* Implied vols of m loaded lanes whose quotes are in `quote`. Rows of `vol` and `status`
 * (which may be NULL) are those of the block. `method`: GC_EXPLICIT or GC_NEWTON. */
static GC_TARGET void GC_LOOP(gc_vols_of_block)(int method, const GC_LOOP(gc_block) *b,
                                                const double *GC_RESTRICT quote, int m, double *GC_RESTRICT vol,
                                                signed char *GC_RESTRICT status)
{
    GC_LOOP(gc_iv_block) p;
    unsigned char flag[GC_BLOCK];
    const double *GC_RESTRICT forward = b->forward, *GC_RESTRICT strike = b->column[GC_STRIKE];
    const double *GC_RESTRICT tau = b->column[GC_TAU], *GC_RESTRICT root = b->root;
    int64_t outside = 0, bad = 0;
    m = GC_WHOLE(m);
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) {
        gc_iv_problem point = gc_iv_reduce(b->theta[i], quote[i], forward[i], strike[i], tau[i], b->df[i]);
        p.x[i] = point.x;
        p.l[i] = point.l;
        p.value[i] = point.time_value;
        p.small[i] = point.small;
        p.poison[i] = point.poison;
    }
    if (method == GC_NEWTON) {
        for (int i = 0; i < m; i++)
            p.total[i] = p.poison[i] == 0.0 ? gc_iv_iterate(p.x[i], p.l[i], p.value[i], p.small[i]) : NAN;
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) p.total[i] = gc_iv_explicit(p.x[i], p.l[i]);
        for (int i = 0; i < m; i++) outside += gc_iv_explicit_holds(p.x[i], p.l[i], p.total[i]) ? 0 : 1;
    }
    if (outside) {
        for (int i = 0; i < m; i++)
            flag[i] = (unsigned char)((p.poison[i] == 0.0) & !gc_iv_explicit_holds(p.x[i], p.l[i], p.total[i]));
        GC_LOOP(gc_iv_remaining)(flag, m, &p);
    }
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) vol[i] = p.total[i] / root[i] + p.poison[i];
    if (!status) return;
    for (int i = 0; i < m; i++) bad += p.poison[i] == 0.0 ? 0 : 1;
    for (int i = 0; i < m; i++) status[i] = GC_IV_OK;
    if (!bad) return;
    for (int i = 0; i < m; i++)
        status[i] = (signed char)gc_iv_status(b->theta[i], quote[i], forward[i], strike[i], tau[i], b->df[i]);
}

/* `status` may be NULL. */
static GC_TARGET void GC_LOOP(gc_implied_vol)(int model, int method, const gc_inputs *in, ptrdiff_t first,
                                              ptrdiff_t end, double *out, signed char *status)
{
    GC_LOOP(gc_block) b;
    double vol[GC_BLOCK];
    signed char code[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, end - first);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int m = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, first, start, m);
        GC_LOOP(gc_vols_of_block)(method, &b, b.column[GC_VOL], m, vol, status ? code : NULL);
        memcpy(out + start, vol, (size_t)m * sizeof(double));
        if (status) memcpy(status + start, code, (size_t)m);
    }
}

/* From quotes to vols, status and the Greeks at these vols, in one pass. */
static GC_TARGET void GC_LOOP(gc_analyse)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end,
                                          double *out, signed char *status, double *const *greeks)
{
    GC_LOOP(gc_block) b;
    double vol[GC_BLOCK];
    signed char code[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, end - first);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int m = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK;
        GC_LOOP(gc_load)(&b, in, model, first, start, m);
        GC_LOOP(gc_vols_of_block)(GC_EXPLICIT, &b, b.column[GC_VOL], m, vol, code);
        memcpy(out + start, vol, (size_t)m * sizeof(double));
        memcpy(status + start, code, (size_t)m);
        GC_LOOP(gc_greeks_of_block)(model, &b, vol, m, start, greeks);
    }
}

/* The vols of the quotes half a tick below and above; the tick stands where the dividend
 * is. No vol is low enough for a quote at or below intrinsic value: 0. None is high enough
 * at the upper bound: infinity. */
static GC_TARGET void GC_LOOP(gc_vol_interval)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end,
                                               double *low, double *high)
{
    GC_LOOP(gc_block) b;
    double vol[GC_BLOCK], quote[GC_BLOCK];
    signed char code[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, end - first);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int m = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK, lanes = GC_WHOLE(m);
        GC_LOOP(gc_load)(&b, in, model, first, start, m);
        const double *mark = b.column[GC_VOL], *tick = b.column[GC_DIVIDEND];
        for (int side = -1; side <= 1; side += 2) {
            for (int i = 0; i < lanes; i++) quote[i] = mark[i] + (tick[i] >= 0.0 ? 0.5 * side : NAN) * tick[i];
            GC_LOOP(gc_vols_of_block)(GC_EXPLICIT, &b, quote, m, vol, code);
            for (int i = 0; i < m; i++) {
                if (code[i] == GC_IV_AT_INTRINSIC || code[i] == GC_IV_BELOW_INTRINSIC) vol[i] = 0.0;
                if (code[i] == GC_IV_ABOVE_BOUND) vol[i] = INFINITY;
            }
            memcpy((side < 0 ? low : high) + start, vol, (size_t)m * sizeof(double));
        }
    }
}
