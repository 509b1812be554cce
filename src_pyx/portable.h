/* Compiler differences, in one place. Nothing here changes a result.
 */
#ifndef GAMMACORE_PORTABLE_H
#define GAMMACORE_PORTABLE_H

/* Point functions must be inlined into the block loops, or those will not vectorise. */
#if defined(_MSC_VER)
#define GC_INLINE static __forceinline
#define GC_RESTRICT __restrict
#elif defined(__GNUC__) || defined(__clang__)
#define GC_INLINE static inline __attribute__((always_inline))
#define GC_RESTRICT __restrict__
#else
#define GC_INLINE static inline
#define GC_RESTRICT
#endif

/* Placed before a loop whose iterations are independent of each other and which has to
 * be vectorised: tests/test_core_headers.py asks gcc whether it was. */
#if defined(__clang__)
#define GC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define GC_INDEPENDENT _Pragma("GCC ivdep")
#elif defined(_MSC_VER)
#define GC_INDEPENDENT __pragma(loop(ivdep))
#else
#define GC_INDEPENDENT
#endif

/* No fused multiply-add: fused or not, an expression rounds differently, and which ones a
 * compiler fuses depends on the loop around it. Without it all instruction sets, scalar
 * calls and arrays give the same bits. It costs 12 % of the speed. gcc knows the rule as a
 * flag only (-ffp-contract=off in setup.py). */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#define GC_JOIN_(a, b) a##b
#define GC_JOIN(a, b) GC_JOIN_(a, b)

#endif
