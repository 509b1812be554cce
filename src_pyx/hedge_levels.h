/* The simulator at every instruction set, as levels.h has it for the pricing kernels.
 */
#ifndef GAMMACORE_HEDGE_LEVELS_H
#define GAMMACORE_HEDGE_LEVELS_H

#include <math.h>
#include <string.h>

#include "delta.h"
#include "fan.h"
#include "hedge.h"
#include "philox.h"
#include "simd.h"
#include "single.h"
#include "variates.h"

#if GC_HAS_LEVELS
#include <immintrin.h>
#define GC_WIDE_BYTES 16
#define GC_WIDE_PRODUCT(a, b) _mm_mul_epu32((__m128i)(a), (__m128i)(b))
#endif
#define GC_SUFFIX _base
#define GC_TARGET
#include "philox_loops.h"
#include "paths.h"
#include "hedge_loops.h"
#include "fan_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#if GC_HAS_LEVELS
#undef GC_WIDE_BYTES
#undef GC_WIDE_PRODUCT
#define GC_WIDE_BYTES 32
#define GC_WIDE_PRODUCT(a, b) _mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#define GC_SUFFIX _avx2
#define GC_TARGET GC_TARGET_AVX2
#include "philox_loops.h"
#include "paths.h"
#include "hedge_loops.h"
#include "fan_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET

#undef GC_WIDE_BYTES
#undef GC_WIDE_PRODUCT
#define GC_WIDE_BYTES 64
#define GC_WIDE_PRODUCT(a, b) _mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#define GC_SUFFIX _avx512
#define GC_TARGET GC_TARGET_AVX512
#include "philox_loops.h"
#include "paths.h"
#include "hedge_loops.h"
#include "fan_loops.h"
#undef GC_SUFFIX
#undef GC_TARGET
#endif

typedef struct {
    void (*simulate)(const gc_simulation *s, ptrdiff_t first, ptrdiff_t end, double *const *out);
    void (*write_paths)(const gc_simulation *s, ptrdiff_t first, ptrdiff_t end, double *out);
    void (*fan)(const gc_fan *f, void *room, float *const *out);
    double (*fan_chance)(int64_t paths, const float *one, const float *other, float weight, float other_weight,
                         float mean, float ramp);
} gc_hedge_kernels;

#define GC_HEDGE_TABLE(suffix)                                                             \
    {GC_JOIN(gc_simulate, suffix), GC_JOIN(gc_write_paths, suffix), GC_JOIN(gc_fan_run, suffix), \
     GC_JOIN(gc_fan_chance, suffix)}

/* Bytes of one rule of the fan and of one point of a leg, the same at every level. */
#define GC_FAN_RULE_BYTES sizeof(gc_fan_rule_base)
#define GC_FAN_POINT_BYTES sizeof(gc_fan_at_base)

static const gc_hedge_kernels gc_hedge_tables[] = {
    GC_HEDGE_TABLE(_base),
#if GC_HAS_LEVELS
    GC_HEDGE_TABLE(_avx2), GC_HEDGE_TABLE(_avx512),
#endif
};

static const gc_hedge_kernels *gc_hedge_table(int level)
{
    return &gc_hedge_tables[level];
}

#endif
