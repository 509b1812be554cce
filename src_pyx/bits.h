/* Answers to a question of up to 64 numbers, a bit each: loops that set them have no branch and vectorise.
 */
#ifndef GAMMACORE_BITS_H
#define GAMMACORE_BITS_H

#include <stddef.h>
#include <stdint.h>

#define GC_8_BITS(k) \
    UINT64_C(1) << (k), UINT64_C(2) << (k), UINT64_C(4) << (k), UINT64_C(8) << (k), UINT64_C(16) << (k), \
        UINT64_C(32) << (k), UINT64_C(64) << (k), UINT64_C(128) << (k)

/* gc_bit[j] & -(uint64_t)answer: a table, since not every instruction set shifts each lane by its own count. */
static const uint64_t gc_bit[64] = {GC_8_BITS(0),  GC_8_BITS(8),  GC_8_BITS(16), GC_8_BITS(24),
                                   GC_8_BITS(32), GC_8_BITS(40), GC_8_BITS(48), GC_8_BITS(56)};

/* Place of the lowest bit that is set; some is. */
static inline ptrdiff_t gc_first_bit(uint64_t bits)
{
#if defined(__GNUC__)
    return __builtin_ctzll(bits);
#else
    ptrdiff_t k = 0;
    while (!(bits >> k & 1)) k++;
    return k;
#endif
}

#endif
