/* Profit under every scenario; included once per instruction set, see margin_levels.h.
 *
 * A chunk of scenarios goes through one stage after another, each a loop without a branch. The regime of a
 * price is chosen per lane, so a lane's bits do not depend on the others nor on the instruction set.
 */
#ifndef GC_MARGIN_CHUNK
#define GC_MARGIN_CHUNK 64
#define GC_MARGIN_LANES 8 /* doubles in the widest vector */
#define GC_MARGIN_WHOLE(m) (((m) + (GC_MARGIN_LANES - 1)) & ~(GC_MARGIN_LANES - 1))
#endif

/* Prices of one option at the moved forwards and volatilities of a chunk; n is a whole number of vectors. */
static GC_TARGET void GC_JOIN(gc_margin_prices, GC_SUFFIX)(const gc_margin_line *p, double root,
                                                           const double *GC_RESTRICT moved,
                                                           const double *GC_RESTRICT vol, int n,
                                                           double *GC_RESTRICT price)
{
    double small[GC_MARGIN_CHUNK], x[GC_MARGIN_CHUNK], s[GC_MARGIN_CHUNK], y[GC_MARGIN_CHUNK];
    double far[GC_MARGIN_CHUNK], strikes[GC_MARGIN_CHUNK], taus[GC_MARGIN_CHUNK];
    double kind = p->kind, strike = p->strike;
    int tails = 0;
    n = GC_MARGIN_WHOLE(n);
    for (int j = 0; j < n; j++) { /* arrays, for of one value gcc makes branches, and no vectors */
        strikes[j] = strike;
        taus[j] = p->tau;
    }
    GC_INDEPENDENT
    for (int j = 0; j < n; j++) {
        gc_reduced r = gc_reduce(moved[j], strikes[j], taus[j], root, vol[j]);
        small[j] = r.small;
        x[j] = r.x;
        s[j] = r.total_vol;
        y[j] = r.y;
    }
    for (int j = 0; j < n; j++) tails += gc_in_tails(x[j], s[j]);
    if (tails < n) {
        GC_INDEPENDENT
        for (int j = 0; j < n; j++) price[j] = gc_price_series(x[j], s[j], y[j]);
    }
    if (tails) {
        GC_INDEPENDENT
        for (int j = 0; j < n; j++) far[j] = gc_price_tails(s[j], y[j]);
        for (int j = 0; j < n; j++) price[j] = gc_in_tails(x[j], s[j]) ? far[j] : price[j];
    }
    GC_INDEPENDENT
    for (int j = 0; j < n; j++) {
        double intrinsic = kind * (moved[j] - strike);
        price[j] = small[j] * price[j] + (intrinsic < 0.0 ? 0.0 : intrinsic);
    }
}

/* Profit of one coin under each of m scenarios, settlement currency. */
static GC_TARGET void GC_JOIN(gc_margin_vector, GC_SUFFIX)(const gc_margin_rates *r, const double *table,
                                                           ptrdiff_t m, int inverse, const gc_margin_line *p,
                                                           double *out)
{
    double moved[GC_MARGIN_CHUNK], vol[GC_MARGIN_CHUNK], then[GC_MARGIN_CHUNK];
    double vols[3], root = sqrt(p->tau), now = 0.0;
    const double *moves = table + GC_SCENARIO_MOVE * m, *shifts = table + GC_SCENARIO_SHIFT * m;
    const double *scales = table + GC_SCENARIO_SCALE * m;
    if (p->kind == 0.0) {
        for (ptrdiff_t j = 0; j < m; j++)
            out[j] = scales[j] * (inverse ? moves[j] / (1.0 + moves[j]) : p->price * moves[j]);
        return;
    }
    gc_margin_vols(r, p->vol, p->tau, vols);
    now = gc_margin_price(p->kind, p->strike, p->tau, root, p->vol, p->price);
    now = inverse ? now / p->price : now;
    for (ptrdiff_t first = 0; first < m; first += GC_MARGIN_CHUNK) {
        int n = m - first < GC_MARGIN_CHUNK ? (int)(m - first) : GC_MARGIN_CHUNK, whole = GC_MARGIN_WHOLE(n);
        for (int j = 0; j < whole; j++) {
            ptrdiff_t k = first + (j < n ? j : n - 1);
            moved[j] = p->price * (1.0 + moves[k]);
            vol[j] = vols[(int)shifts[k]];
        }
        GC_JOIN(gc_margin_prices, GC_SUFFIX)(p, root, moved, vol, whole, then);
        for (int j = 0; j < n; j++)
            out[first + j] = scales[first + j] * ((inverse ? then[j] / moved[j] : then[j]) - now);
    }
}
