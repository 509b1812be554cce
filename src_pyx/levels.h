/* The loops at every level, and the table of the level in use.
 *
 * One translation unit, one set of compiler flags, chosen when the extension is imported:
 * no ifunc, which glibc alone has, and no per-file flags, which setuptools has not.
 */
#ifndef GAMMACORE_LEVELS_H
#define GAMMACORE_LEVELS_H

#include "simd.h"

#define GC_SUFFIX _base
#define GC_TARGET
#include "loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#if GC_HAS_LEVELS
#define GC_SUFFIX _avx2
#define GC_TARGET GC_TARGET_AVX2
#include "loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#define GC_SUFFIX _avx512
#define GC_TARGET GC_TARGET_AVX512
#include "loops.h"
#undef GC_SUFFIX
#undef GC_TARGET
#endif

/* Each works on the lanes [first, end). */
typedef struct {
    void (*price)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end, double *out);
    void (*greeks)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end, double *const *out);
    void (*implied_vol)(int model, int method, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end, double *out,
                        signed char *status);
    void (*analyse)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end, double *out,
                    signed char *status, double *const *greeks);
    void (*vol_interval)(int model, const gc_inputs *in, ptrdiff_t first, ptrdiff_t end, double *low,
                         double *high);
    double (*price_point)(int model, double theta, const double *values);
    double (*implied_point)(int model, double theta, const double *values, int *status);
} gc_kernels;

#define GC_TABLE(suffix)                                                                              \
    {GC_JOIN(gc_price, suffix), GC_JOIN(gc_greeks, suffix), GC_JOIN(gc_implied_vol, suffix),         \
     GC_JOIN(gc_analyse, suffix), GC_JOIN(gc_vol_interval, suffix),                                  \
     GC_JOIN(gc_price_point, suffix), GC_JOIN(gc_implied_point, suffix)}

static const gc_kernels gc_tables[] = {
    GC_TABLE(_base),
#if GC_HAS_LEVELS
    GC_TABLE(_avx2), GC_TABLE(_avx512),
#endif
};

static const gc_kernels *gc_table(int level)
{
    return &gc_tables[level];
}

/* Whether every kind is +1 or -1. */
static inline int gc_kinds_valid(const signed char *kind, ptrdiff_t n)
{
    unsigned char bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) bad |= (unsigned char)((kind[i] != 1) & (kind[i] != -1));
    return !bad;
}

#endif
