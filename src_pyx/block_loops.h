/* Inputs of the array loops, in blocks that stay in the first-level cache.
 *
 * Part of loops.h, which is included once per instruction set with GC_SUFFIX set to a
 * name suffix and GC_TARGET to the function attributes of that set (may be empty). Each
 * loop does one stage over one block and has no branch, so that plain -O3 vectorises it.
 *
 * Every input is an array or one value for all lanes (step 0). Outputs must not overlap
 * inputs. A lane's result depends on that lane alone, bit for bit: regimes are chosen
 * per lane, and every loop runs over a whole number of vectors. A block that is not full
 * is copied and its last lane repeated, so that no lane ever goes through a slow scalar
 * remainder.
 */
#ifndef GC_LOOP
#define GC_BLOCK 128
#define GC_LANES 8 /* doubles in the widest vector; narrower ones divide it */
#define GC_LOOP(name) GC_JOIN(name, GC_SUFFIX)
/* A multiple of GC_LANES that the compiler knows to be one. */
#define GC_WHOLE(m) (((m) + (GC_LANES - 1)) & ~(GC_LANES - 1))
#endif

/* One block of inputs. What is the same for all blocks is computed once and then stays. */
typedef struct {
    double theta[GC_BLOCK], root[GC_BLOCK], df[GC_BLOCK], growth[GC_BLOCK], forwards[GC_BLOCK];
    double store[GC_COLUMNS][GC_BLOCK];
    const double *column[GC_COLUMNS];
    const double *forward;
} GC_LOOP(gc_block);

static GC_TARGET void GC_LOOP(gc_open)(GC_LOOP(gc_block) *b, const gc_inputs *in, ptrdiff_t n)
{
    int m = GC_WHOLE(n < GC_BLOCK ? (int)n : GC_BLOCK);
    for (int c = 0; c < GC_COLUMNS; c++) {
        if (in->column[c].step) continue;
        double value = in->column[c].data[0];
        for (int i = 0; i < m; i++) b->store[c][i] = value;
        b->column[c] = b->store[c];
    }
    if (!in->kind_step)
        for (int i = 0; i < m; i++) b->theta[i] = (double)in->kind[0];
}

/* A rate that is not finite makes the discount factor NaN, and with it every result. */
static GC_TARGET void GC_LOOP(gc_discount)(GC_LOOP(gc_block) *b, const gc_inputs *in, int m)
{
    const double *GC_RESTRICT tau = b->column[GC_TAU], *GC_RESTRICT rate = b->column[GC_RATE];
    double *GC_RESTRICT df = b->df;
    m = GC_WHOLE(m);
    if (in->column[GC_RATE].step == 0 && rate[0] == 0.0) {
        for (int i = 0; i < m; i++) df[i] = 1.0;
        return;
    }
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) df[i] = gc_exp(-rate[i] * tau[i]) + (fabs(rate[i]) <= DBL_MAX ? 0.0 : NAN);
}

static GC_TARGET void GC_LOOP(gc_carry)(GC_LOOP(gc_block) *b, int m)
{
    const double *GC_RESTRICT underlying = b->column[GC_UNDERLYING], *GC_RESTRICT tau = b->column[GC_TAU];
    const double *GC_RESTRICT rate = b->column[GC_RATE], *GC_RESTRICT dividend = b->column[GC_DIVIDEND];
    double *GC_RESTRICT growth = b->growth, *GC_RESTRICT forward = b->forwards;
    m = GC_WHOLE(m);
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) growth[i] = gc_exp((rate[i] - dividend[i]) * tau[i]);
    GC_INDEPENDENT
    for (int i = 0; i < m; i++) forward[i] = underlying[i] * growth[i];
}

/* Makes m lanes starting at `start` available, and what follows from them: sqrt(tau), the
 * discount factor and the forward. `first` is the first lane of the whole run. */
static GC_TARGET void GC_LOOP(gc_load)(GC_LOOP(gc_block) *b, const gc_inputs *in, int model, ptrdiff_t first,
                                       ptrdiff_t start, int m)
{
    int lanes = GC_WHOLE(m), again = start != first;
    for (int c = 0; c < GC_COLUMNS; c++) {
        if (!in->column[c].step) continue;
        b->column[c] = in->column[c].data + start;
        if (m == lanes) continue;
        memcpy(b->store[c], b->column[c], (size_t)m * sizeof(double));
        for (int i = m; i < lanes; i++) b->store[c][i] = b->store[c][m - 1];
        b->column[c] = b->store[c];
    }
    if (in->kind_step) {
        const signed char *GC_RESTRICT kind = in->kind + start;
        for (int i = 0; i < m; i++) b->theta[i] = (double)kind[i];
        for (int i = m; i < lanes; i++) b->theta[i] = b->theta[m - 1];
    }
    const double *GC_RESTRICT underlying = b->column[GC_UNDERLYING], *GC_RESTRICT tau = b->column[GC_TAU];
    double *GC_RESTRICT root = b->root, *GC_RESTRICT df = b->df;
    int one_underlying = !in->column[GC_UNDERLYING].step, one_tau = !in->column[GC_TAU].step;
    int one_rate = !in->column[GC_RATE].step, one_dividend = !in->column[GC_DIVIDEND].step;
    if (!(again && one_tau)) {
        GC_INDEPENDENT
        for (int i = 0; i < lanes; i++) root[i] = sqrt(tau[i]);
    }
    b->forward = model == GC_BLACK_SCHOLES ? b->forwards : underlying;
    if (model >= GC_INVERSE) {
        if (again && one_underlying) return;
        GC_INDEPENDENT
        for (int i = 0; i < lanes; i++) df[i] = 1.0 / underlying[i];
        return;
    }
    if (!(again && one_rate && (one_tau || b->column[GC_RATE][0] == 0.0))) GC_LOOP(gc_discount)(b, in, m);
    if (model == GC_BLACK_SCHOLES && !(again && one_underlying && one_tau && one_rate && one_dividend))
        GC_LOOP(gc_carry)(b, m);
}

/* Collects the lanes of [0, m) whose flag is set, repeating the last one to a whole number
 * of vectors; returns how many that makes. `lane` has GC_LANES spare slots. */
static GC_TARGET int GC_LOOP(gc_pick)(const unsigned char *flag, int m, int *lane)
{
    int count = 0;
    for (int i = 0; i < m; i++) {
        lane[count] = i;
        count += flag[i];
    }
    if (count)
        while (count % GC_LANES) {
            lane[count] = lane[count - 1];
            count++;
        }
    return count;
}
