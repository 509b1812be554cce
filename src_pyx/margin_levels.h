/* Scenario profits at every instruction set, as levels.h has it for the pricing kernels.
 */
#ifndef GAMMACORE_MARGIN_LEVELS_H
#define GAMMACORE_MARGIN_LEVELS_H

#include "margin.h"
#include "simd.h"

#define GC_SUFFIX _base
#define GC_TARGET
#include "margin_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#if GC_HAS_LEVELS
#define GC_SUFFIX _avx2
#define GC_TARGET GC_TARGET_AVX2
#include "margin_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#define GC_SUFFIX _avx512
#define GC_TARGET GC_TARGET_AVX512
#include "margin_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET
#endif

typedef void (*gc_margin_kernel)(const gc_margin_rates *r, const double *table, ptrdiff_t m, int inverse,
                                 const gc_margin_line *p, double *out);

static const gc_margin_kernel gc_margin_kernels[] = {
    gc_margin_vector_base,
#if GC_HAS_LEVELS
    gc_margin_vector_avx2, gc_margin_vector_avx512,
#endif
};

static gc_margin_kernel gc_margin_kernel_of(int level)
{
    return gc_margin_kernels[level];
}

#endif
