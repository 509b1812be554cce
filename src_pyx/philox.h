/* Counter-based random bits: Philox4x32-10.
 *
 * J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
 * The bits of a path at a step depend on (seed, path, step) alone, so that results do not
 * depend on the vector width, the blocks or the threads, and nothing has to be stored.
 * tests/test_hedging_core.py holds it to the known-answer vectors of the authors' Random123.
 */
#ifndef GAMMACORE_PHILOX_H
#define GAMMACORE_PHILOX_H

#include <stdint.h>

#include "portable.h"

#define GC_PHILOX_ROUNDS 10
#define GC_PHILOX_M0 UINT64_C(0xD2511F53)
#define GC_PHILOX_M1 UINT64_C(0xCD9E8D57)
#define GC_PHILOX_W0 UINT64_C(0x9E3779B9)
#define GC_PHILOX_W1 UINT64_C(0xBB67AE85)
#define GC_LOW_WORD UINT64_C(0xffffffff)

/* Four 32-bit words of counter, two of key, each in a 64-bit lane; the four words of output
 * come as two 64-bit numbers, the first word of each in the low half. The casts of the factors
 * tell the compiler that a 32 x 32 -> 64 bit multiplication is all it takes: otherwise gcc emulates
 * a 64-bit one on AVX2, at four times the price. */
GC_INLINE void gc_philox(uint64_t c0, uint64_t c1, uint64_t c2, uint64_t c3, uint64_t k0, uint64_t k1,
                         uint64_t *first, uint64_t *second)
{
    for (int round = 0; round < GC_PHILOX_ROUNDS; round++) {
        uint64_t p0 = GC_PHILOX_M0 * (uint64_t)(uint32_t)c0;
        uint64_t p1 = GC_PHILOX_M1 * (uint64_t)(uint32_t)c2;
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c1 = p1 & GC_LOW_WORD;
        c3 = p0 & GC_LOW_WORD;
        k0 = (k0 + GC_PHILOX_W0) & GC_LOW_WORD;
        k1 = (k1 + GC_PHILOX_W1) & GC_LOW_WORD;
    }
    *first = (c1 << 32) | c0;
    *second = (c3 << 32) | c2;
}

#endif
