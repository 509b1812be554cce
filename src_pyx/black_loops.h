/* Prices over arrays; part of loops.h.
 */

/* The reduced options of one block. */
typedef struct {
    double small[GC_BLOCK], x[GC_BLOCK], s[GC_BLOCK], y[GC_BLOCK];
} GC_LOOP(gc_reduced_block);

/* Lanes that are in the other regime than most of the block, gathered. */
typedef struct {
    int lane[GC_BLOCK + GC_LANES];
    double x[GC_BLOCK + GC_LANES], s[GC_BLOCK + GC_LANES], y[GC_BLOCK + GC_LANES];
    int count; /* a whole number of vectors; 0 if the block is all of one regime */
} GC_LOOP(gc_minority);

static GC_TARGET void GC_LOOP(gc_reduce_block)(const GC_LOOP(gc_block) *b, const double *GC_RESTRICT vol, int m,
                                               GC_LOOP(gc_reduced_block) *GC_RESTRICT r)
{
    const double *GC_RESTRICT forward = b->forward, *GC_RESTRICT strike = b->column[GC_STRIKE];
    const double *GC_RESTRICT tau = b->column[GC_TAU], *GC_RESTRICT root = b->root;
    m = GC_WHOLE(m);
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) {
        gc_reduced point = gc_reduce(forward[i], strike[i], tau[i], root[i], vol[i]);
        r->small[i] = point.small;
        r->x[i] = point.x;
        r->s[i] = point.total_vol;
        r->y[i] = point.y;
    }
}

/* The regime that most lanes are in is computed for all of them; returns whether that is
 * the tails. The others are gathered into `few`, to be computed again and put back. */
static GC_TARGET int GC_LOOP(gc_split_regimes)(const double *GC_RESTRICT x, const double *GC_RESTRICT s,
                                               const double *GC_RESTRICT y, int m, GC_LOOP(gc_minority) *few)
{
    unsigned char flag[GC_BLOCK];
    int64_t tails = 0;
    m = GC_WHOLE(m);
    for (int i = 0; i < m; i++) tails += gc_in_tails(x[i], s[i]) ? 1 : 0;
    int mostly = 2 * tails > m;
    few->count = 0;
    if (tails == 0 || tails == m) return mostly;
    for (int i = 0; i < m; i++) flag[i] = (unsigned char)(gc_in_tails(x[i], s[i]) != mostly);
    few->count = GC_LOOP(gc_pick)(flag, m, few->lane);
    for (int j = 0; j < few->count; j++) {
        few->x[j] = x[few->lane[j]];
        few->s[j] = s[few->lane[j]];
        few->y[j] = y[few->lane[j]];
    }
    return mostly;
}

static GC_TARGET void GC_LOOP(gc_block_prices)(int tails, const double *GC_RESTRICT x, const double *GC_RESTRICT s,
                                               const double *GC_RESTRICT y, int m, double *GC_RESTRICT price)
{
    m = GC_WHOLE(m);
    if (tails) {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) price[i] = gc_price_tails(s[i], y[i]);
    } else {
        GC_INDEPENDENT
        for (int i = 0; i < m; i++) price[i] = gc_price_series(x[i], s[i], y[i]);
    }
}

static GC_TARGET void GC_LOOP(gc_price)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end,
                                        double *GC_RESTRICT out)
{
    GC_LOOP(gc_block) b;
    GC_LOOP(gc_reduced_block) r;
    GC_LOOP(gc_minority) few;
    double price[GC_BLOCK];
    GC_LOOP(gc_open)(&b, in, end - first);
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int m = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK, lanes = GC_WHOLE(m);
        GC_LOOP(gc_load)(&b, in, model, first, start, m);
        const double *GC_RESTRICT forward = b.forward, *GC_RESTRICT strike = b.column[GC_STRIKE];
        GC_LOOP(gc_reduce_block)(&b, b.column[GC_VOL], m, &r);
        int tails = GC_LOOP(gc_split_regimes)(r.x, r.s, r.y, m, &few);
        GC_LOOP(gc_block_prices)(tails, r.x, r.s, r.y, m, price);
        if (few.count) {
            double again[GC_BLOCK + GC_LANES];
            GC_LOOP(gc_block_prices)(!tails, few.x, few.s, few.y, few.count, again);
            for (int j = 0; j < few.count; j++) price[few.lane[j]] = again[j];
        }
        double *GC_RESTRICT target = m == lanes ? out + start : price;
        GC_INDEPENDENT
        for (int i = 0; i < lanes; i++) {
            double intrinsic = b.theta[i] * (forward[i] - strike[i]);
            target[i] = b.df[i] * (r.small[i] * price[i] + (intrinsic < 0.0 ? 0.0 : intrinsic));
        }
        if (m != lanes) memcpy(out + start, price, (size_t)m * sizeof(double));
    }
}
