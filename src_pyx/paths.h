/* Price paths in blocks that stay in the first-level cache: one step of every model.
 *
 * Included once per instruction set, see hedge_levels.h. A block holds GC_BLOCK paths, every loop
 * does one stage over all of them and has no branch. The state is ln(F/F0), so that no step takes
 * a logarithm. A lane depends on the seed and its path's number alone.
 */
#ifndef GC_STREAMS
#define GC_STREAMS
/* Word 3 of the counter: independent bits for different purposes. */
enum { GC_STREAM_MOVES, GC_STREAM_JUMPS };
#endif

typedef struct {
    uint64_t first; /* number of the path in lane 0 */
    double log_price[GC_BLOCK], price[GC_BLOCK], before[GC_BLOCK];
    double normal[GC_BLOCK], spare[GC_BLOCK], variance[GC_BLOCK], jumps[GC_BLOCK];
    int64_t position[GC_BLOCK];
    uint64_t bits[GC_BLOCK], more_bits[GC_BLOCK];
} GC_LOOP(gc_paths);

/* Two independent normals of every path into `normal` and `spare`. */
static GC_TARGET void GC_LOOP(gc_draw_normals)(GC_LOOP(gc_paths) *b, uint64_t seed, uint64_t counter)
{
    const uint64_t *GC_RESTRICT u = b->bits, *GC_RESTRICT v = b->more_bits;
    double *GC_RESTRICT normal = b->normal, *GC_RESTRICT spare = b->spare;
    GC_LOOP(gc_philox_block)(seed, b->first, counter, GC_STREAM_MOVES, b->bits, b->more_bits);
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) gc_normals(u[i], v[i], &normal[i], &spare[i]);
}

/* One of the model's innovations for every path into `normal`. */
static GC_TARGET void GC_LOOP(gc_draw_given)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    double count = (double)m->count;
    GC_LOOP(gc_philox_block)(seed, b->first, (uint64_t)step, GC_STREAM_MOVES, b->bits, b->more_bits);
    for (int i = 0; i < GC_BLOCK; i++) b->normal[i] = m->data[(int64_t)(gc_uniform(b->bits[i]) * count)];
}

/* ln E exp(s z) for s = sqrt(h) into `spare`: what a step exceeds its drift by in the mean. */
static GC_TARGET void GC_LOOP(gc_cumulants)(GC_LOOP(gc_paths) *b, const gc_model *m)
{
    for (int i = 0; i < GC_BLOCK; i++) {
        double at = sqrt(b->variance[i]) * m->per_unit;
        int64_t piece = (int64_t)at;
        piece = piece < m->pieces ? piece : m->pieces - 1;
        const double *c = m->cumulant + 4 * piece;
        double t = at - (double)piece;
        b->spare[i] = c[0] + t * (c[1] + t * (c[2] + t * c[3]));
    }
}

/* One draw of two normals serves two steps. */
static GC_TARGET const double *GC_LOOP(gc_one_normal)(GC_LOOP(gc_paths) *b, uint64_t seed, int64_t step)
{
    if (step & 1) return b->spare;
    GC_LOOP(gc_draw_normals)(b, seed, (uint64_t)(step >> 1));
    return b->normal;
}

static GC_TARGET void GC_LOOP(gc_step_gbm)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    const double *GC_RESTRICT z = GC_LOOP(gc_one_normal)(b, seed, step);
    double *GC_RESTRICT x = b->log_price;
    double drift = m->drift, vol = m->step_vol;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) x[i] += drift + vol * z[i];
}

/* Full-truncation Euler: R. Lord, R. Koekkoek, D. van Dijk, "A comparison of biased simulation
 * schemes for stochastic volatility models", Quantitative Finance 10 (2010). */
static GC_TARGET void GC_LOOP(gc_step_heston)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    GC_LOOP(gc_draw_normals)(b, seed, (uint64_t)step);
    const double *GC_RESTRICT z1 = b->normal, *GC_RESTRICT z2 = b->spare;
    double *GC_RESTRICT x = b->log_price, *GC_RESTRICT v = b->variance;
    double drift = m->drift, dt = m->dt, root_dt = m->root_dt, pull = m->kappa * m->dt, theta = m->theta;
    double along = m->xi * m->rho, across = m->xi * m->rho_complement;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double positive = v[i] < 0.0 ? 0.0 : v[i];
        double move = sqrt(positive) * root_dt;
        x[i] += drift - 0.5 * positive * dt + move * z1[i];
        v[i] += pull * (theta - positive) + move * (along * z1[i] + across * z2[i]);
    }
}

/* Number of jumps by inversion of the Poisson distribution: one comparison for each number
 * whose chance is not below rounding, at most GC_MAX_JUMPS. */
static GC_TARGET void GC_LOOP(gc_count_jumps)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    double u[GC_BLOCK];
    double *GC_RESTRICT jumps = b->jumps;
    GC_LOOP(gc_philox_block)(seed, b->first, (uint64_t)step, GC_STREAM_JUMPS, b->bits, b->more_bits);
    for (int i = 0; i < GC_BLOCK; i++) u[i] = gc_uniform(b->bits[i]);
    for (int i = 0; i < GC_BLOCK; i++) jumps[i] = 0.0;
    for (int k = 0; k < m->jump_terms; k++) {
        double bound = m->jump_cdf[k];
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) jumps[i] += u[i] > bound ? 1.0 : 0.0;
    }
}

static GC_TARGET void GC_LOOP(gc_step_merton)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    GC_LOOP(gc_count_jumps)(b, m, seed, step);
    GC_LOOP(gc_draw_normals)(b, seed, (uint64_t)step);
    const double *GC_RESTRICT z1 = b->normal, *GC_RESTRICT z2 = b->spare, *GC_RESTRICT jumps = b->jumps;
    double *GC_RESTRICT x = b->log_price;
    double drift = m->drift, vol = m->step_vol, mean = m->jump_mean, sd = m->jump_sd;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++)
        x[i] += drift + vol * z1[i] + (mean * jumps[i] + sd * sqrt(jumps[i]) * z2[i]);
}

/* r = drift + e - ln E exp(e), e = sqrt(h) z, next h = omega + (alpha + gamma [e < 0]) e^2 + beta h, at most
 * the cap. The expectation is that of z alone, so that the price less its drift is a martingale. */
static GC_TARGET void GC_LOOP(gc_step_garch)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed, int64_t step)
{
    const double *GC_RESTRICT z = b->normal, *GC_RESTRICT excess = b->spare;
    double *GC_RESTRICT x = b->log_price, *GC_RESTRICT h = b->variance;
    double drift = m->drift, omega = m->omega, alpha = m->alpha, gamma = m->gamma, beta = m->beta, cap = m->cap;
    if (m->count > 0) {
        GC_LOOP(gc_draw_given)(b, m, seed, step);
        GC_LOOP(gc_cumulants)(b, m);
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) x[i] -= excess[i];
    } else {
        z = GC_LOOP(gc_one_normal)(b, seed, step);
        GC_INDEPENDENT
        for (int i = 0; i < GC_BLOCK; i++) x[i] -= 0.5 * h[i];
    }
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) {
        double e = sqrt(h[i]) * z[i];
        x[i] += drift + e;
        double next = omega + (alpha + (e < 0.0 ? gamma : 0.0)) * (e * e) + beta * h[i];
        h[i] = next < cap ? next : cap;
    }
}

/* Blocks of consecutive returns, the first following on the last: of fixed length (D. Politis and
 * J. Romano, "A circular block-resampling procedure for stationary data", 1992), or of geometric length
 * (the same, "The stationary bootstrap", JASA 89 (1994)). */
static GC_TARGET void GC_LOOP(gc_step_bootstrap)(GC_LOOP(gc_paths) *b, const gc_model *m, uint64_t seed,
                                                 int64_t step)
{
    GC_LOOP(gc_philox_block)(seed, b->first, (uint64_t)step, GC_STREAM_MOVES, b->bits, b->more_bits);
    int due = step == 0 || (m->block > 0 && step % m->block == 0);
    double chance = due ? 2.0 : m->block > 0 ? -1.0 : m->jump_chance, count = (double)m->count;
    double shift = m->shift[step];
    for (int i = 0; i < GC_BLOCK; i++) {
        int64_t fresh = (int64_t)(gc_uniform(b->more_bits[i]) * count);
        int64_t next = b->position[i] + 1;
        next = next >= m->count ? 0 : next;
        b->position[i] = gc_uniform(b->bits[i]) < chance ? fresh : next;
        b->log_price[i] += m->data[b->position[i]] + shift;
    }
}

/* Prices of the caller. Lanes beyond the last path repeat it. */
static GC_TARGET void GC_LOOP(gc_step_given)(GC_LOOP(gc_paths) *b, const gc_simulation *s, int64_t step, int lanes)
{
    ptrdiff_t row = (ptrdiff_t)s->steps + 1;
    const double *data = s->model.data + (ptrdiff_t)b->first * row + step + 1;
    for (int i = 0; i < GC_BLOCK; i++) b->price[i] = data[(i < lanes ? i : lanes - 1) * row];
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) b->log_price[i] = gc_log_ratio(b->price[i], s->start);
}

static GC_TARGET void GC_LOOP(gc_start_paths)(GC_LOOP(gc_paths) *b, const gc_simulation *s, ptrdiff_t first)
{
    memset(b, 0, sizeof *b);
    b->first = (uint64_t)first;
    for (int i = 0; i < GC_BLOCK; i++) b->price[i] = b->before[i] = s->start;
    for (int i = 0; i < GC_BLOCK; i++) b->variance[i] = s->model.variance;
}

/* Moves every path from `step` to the next one. */
static GC_TARGET void GC_LOOP(gc_advance)(GC_LOOP(gc_paths) *b, const gc_simulation *s, int64_t step, int lanes)
{
    const gc_model *m = &s->model;
    switch (m->kind) {
    case GC_GBM: GC_LOOP(gc_step_gbm)(b, m, s->seed, step); break;
    case GC_HESTON: GC_LOOP(gc_step_heston)(b, m, s->seed, step); break;
    case GC_MERTON: GC_LOOP(gc_step_merton)(b, m, s->seed, step); break;
    case GC_GARCH: GC_LOOP(gc_step_garch)(b, m, s->seed, step); break;
    case GC_BOOTSTRAP: GC_LOOP(gc_step_bootstrap)(b, m, s->seed, step); break;
    default: GC_LOOP(gc_step_given)(b, s, step, lanes); return;
    }
    const double *GC_RESTRICT x = b->log_price;
    double *GC_RESTRICT price = b->price;
    double start = s->start;
    GC_INDEPENDENT
    for (int i = 0; i < GC_BLOCK; i++) price[i] = start * gc_exp(x[i]);
}

/* The prices themselves, one row of steps + 1 a path. */
static GC_TARGET void GC_LOOP(gc_write_paths)(const gc_simulation *s, ptrdiff_t first, ptrdiff_t end, double *out)
{
    GC_LOOP(gc_paths) b;
    ptrdiff_t row = (ptrdiff_t)s->steps + 1;
    for (ptrdiff_t start = first; start < end; start += GC_BLOCK) {
        int lanes = end - start < GC_BLOCK ? (int)(end - start) : GC_BLOCK;
        double *to = out + (start - first) * row;
        GC_LOOP(gc_start_paths)(&b, s, start);
        for (int i = 0; i < lanes; i++) to[i * row] = b.price[i];
        for (int64_t step = 0; step < s->steps; step++) {
            GC_LOOP(gc_advance)(&b, s, step, lanes);
            for (int i = 0; i < lanes; i++) to[i * row + step + 1] = b.price[i];
        }
    }
}
