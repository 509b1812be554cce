/* Which vector instructions the loops are compiled for, and which of them this CPU has.
 *
 * The loop headers are included once per level with GC_TARGET set to function attributes;
 * the rest of the extension stays at the compiler's baseline, so that one binary runs
 * everywhere. Compilers without these attributes, and other architectures, have the
 * baseline only.
 */
#ifndef GAMMACORE_SIMD_H
#define GAMMACORE_SIMD_H

enum { GC_BASELINE, GC_AVX2, GC_AVX512, GC_LEVELS };

#if defined(__GNUC__) && defined(__x86_64__) && !defined(GC_BASELINE_ONLY)
#define GC_HAS_LEVELS 1
#define GC_TARGET_AVX2 __attribute__((target("avx2,fma")))
/* Both compilers prefer 256-bit vectors unless told; they are told in different ways. */
#if defined(__clang__)
#define GC_TARGET_AVX512 \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"), min_vector_width(512)))
#else
#define GC_TARGET_AVX512 \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")))
#endif
#else
#define GC_HAS_LEVELS 0
#endif

/* __builtin_cpu_supports also asks whether the operating system saves the registers. */
static inline int gc_level_supported(int level)
{
    if (level == GC_BASELINE) return 1;
#if GC_HAS_LEVELS
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (level == GC_AVX2) return avx2;
    if (level == GC_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
               && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
    return 0;
}

/* MAKE(name, attributes) defines a function for one level; these define one for each, and take the widest that
 * this CPU has. */
#if GC_HAS_LEVELS
#define GC_EACH_LEVEL(MAKE, name)                                                     \
    MAKE(name##_base, )                                                               \
    MAKE(name##_avx2, GC_TARGET_AVX2)                                                 \
    MAKE(name##_avx512, GC_TARGET_AVX512)
#define GC_WIDEST(name)                                                               \
    (gc_level_supported(GC_AVX512) ? name##_avx512 : gc_level_supported(GC_AVX2) ? name##_avx2 : name##_base)
#else
#define GC_EACH_LEVEL(MAKE, name) MAKE(name##_base, )
#define GC_WIDEST(name) name##_base
#endif

#endif
