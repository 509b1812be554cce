/* The kernels next to the same formulas written with libm, as a library for benchmarks/test_kernel_speed.py,
 * which builds it, calls both sides in turn and times them.
 */
#include <math.h>

#include "levels.h"

enum { N = 1000 };

static signed char kind[N], status[N];
static double forward[N], strike[N], tau[N], vol[N], rate[N], quote[N], mark[N], zero[1], row[GC_OUTPUTS][N];

static double uniform(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-53;
}

static double cumulative(double x)
{
    return 0.5 * erfc(-x * 0.7071067811865476);
}

static double twin_price_at(double theta, double f, double k, double t, double sigma, double r)
{
    double s = sigma * sqrt(t), d1 = log(f / k) / s + 0.5 * s;
    return theta * exp(-r * t) * (f * cumulative(theta * d1) - k * cumulative(theta * (d1 - s)));
}

void twin_price(void)
{
    for (int i = 0; i < N; i++) row[0][i] = twin_price_at(kind[i], forward[i], strike[i], tau[i], vol[i], rate[i]);
}

void twin_greeks(void)
{
    for (int i = 0; i < N; i++) {
        double theta = kind[i], f = forward[i], k = strike[i], t = tau[i], root = sqrt(t), s = vol[i] * root;
        double d1 = log(f / k) / s + 0.5 * s, d2 = d1 - s, df = exp(-rate[i] * t);
        double n1 = cumulative(theta * d1), n2 = cumulative(theta * d2);
        double phi = df * exp(-0.5 * d1 * d1) * GC_INV_SQRT_2PI, vega = f * phi * root;
        row[GC_PRICE][i] = theta * df * (f * n1 - k * n2);
        row[GC_DELTA][i] = theta * df * n1;
        row[GC_GAMMA][i] = phi / (f * s);
        row[GC_VEGA][i] = vega;
        row[GC_THETA][i] = rate[i] * row[GC_PRICE][i] - 0.5 * f * phi * vol[i] / root;
        row[GC_RHO][i] = -t * row[GC_PRICE][i];
        row[GC_VANNA][i] = -phi * d2 / vol[i];
        row[GC_VOLGA][i] = vega * d1 * d2 / vol[i];
    }
}

/* Newton from the inflexion, to the accuracy that the subtraction of two legs leaves. */
void twin_implied(void)
{
    for (int i = 0; i < N; i++) {
        double sigma = sqrt(2.0 * fabs(log(forward[i] / strike[i])) / tau[i]) + 0.1, step;
        int left = 20;
        do {
            double s = sigma * sqrt(tau[i]), d1 = log(forward[i] / strike[i]) / s + 0.5 * s;
            double vega = forward[i] * exp(-rate[i] * tau[i] - 0.5 * d1 * d1) * GC_INV_SQRT_2PI * sqrt(tau[i]);
            step = (twin_price_at(kind[i], forward[i], strike[i], tau[i], sigma, rate[i]) - quote[i]) / vega;
            sigma -= step;
        } while (fabs(step) > 1e-12 * sigma && --left);
        row[0][i] = sigma;
    }
}

static double *wanted[GC_OUTPUTS], *of_chain[GC_OUTPUTS];
static gc_inputs options, quotes, chain;
static const gc_kernels *kernels;

void our_price(void) { kernels->price(GC_BLACK76, &options, 0, N, row[0]); }
void our_greeks(void) { kernels->greeks(GC_BLACK76, &options, 0, N, wanted); }
void our_implied(void) { kernels->implied_vol(GC_BLACK76, GC_EXPLICIT, &quotes, 0, N, row[0], status); }
void our_chain(void) { kernels->analyse(GC_INVERSE, &chain, 0, N, row[0], status, of_chain); }

void twin_chain(void)
{
    twin_implied();
    twin_greeks();
}

/* Draw the options. */
void prepare(void)
{
    for (int i = 0; i < N; i++) {
        kind[i] = uniform() < 0.5 ? 1 : -1;
        forward[i] = 60000.0 * (1.0 + 0.1 * (uniform() - 0.5));
        strike[i] = forward[i] * exp(0.4 * (uniform() - 0.5));
        tau[i] = 0.1 + 0.4 * uniform();
        vol[i] = 0.4 + 0.5 * uniform();
        rate[i] = 0.03;
    }
    gc_column none = {zero, 0};
    options = (gc_inputs){kind, 1, {{forward, 1}, {strike, 1}, {tau, 1}, {vol, 1}, {rate, 1}, none}};
    quotes = chain = options;
    chain.column[GC_RATE] = none;
    gc_table(GC_BASELINE)->price(GC_BLACK76, &options, 0, N, quote);
    gc_table(GC_BASELINE)->price(GC_INVERSE, &chain, 0, N, mark);
    quotes.column[GC_VOL].data = quote;
    chain.column[GC_VOL].data = mark;
    for (int i = 0; i <= GC_VOLGA; i++) wanted[i] = row[i];
    for (int i = GC_DELTA; i <= GC_CHARM; i++) of_chain[i] = row[i];
    of_chain[GC_NET_DELTA] = row[GC_NET_DELTA];
}

/* Choose a level; false where this processor has not got it. */
int use_level(int level)
{
    if (!gc_level_supported(level)) return 0;
    kernels = gc_table(level);
    return 1;
}
