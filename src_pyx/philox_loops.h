/* Philox over a block of paths: the bits of one counter and stream.
 *
 * Included once per instruction set, see hedge_levels.h. The point function vectorises, but
 * not well: gcc and clang turn its 32 x 32 -> 64 bit products into 64-bit ones, which cost five times as
 * much on AVX2. So where GC_WIDE_PRODUCT names the instruction, whole vectors are written
 * out; they also do without masks, as the product ignores the upper halves. The bits are the same.
 */
#ifndef GC_BLOCK
#define GC_BLOCK 128
#define GC_LOOP(name) GC_JOIN(name, GC_SUFFIX)
#endif

/* `first` is the path of lane 0; a block does not straddle a multiple of 2^32, as its size divides that and
 * blocks start at multiples of it. */
static GC_TARGET void GC_LOOP(gc_philox_block)(uint64_t seed, uint64_t first, uint64_t counter, uint64_t stream,
                                               uint64_t *GC_RESTRICT u, uint64_t *GC_RESTRICT v)
{
#ifdef GC_WIDE_PRODUCT
    typedef uint64_t wide __attribute__((vector_size(GC_WIDE_BYTES)));
    enum { LANES = GC_WIDE_BYTES / 8 };
    const wide zero = {0}, m0 = zero + GC_PHILOX_M0, m1 = zero + GC_PHILOX_M1;
    wide ramp;
    for (int j = 0; j < LANES; j++) ramp[j] = (uint64_t)j;
    for (int i = 0; i < GC_BLOCK; i += LANES) {
        uint64_t path = first + (uint64_t)i, k0 = seed, k1 = seed >> 32;
        wide c0 = ramp + path, c1 = zero + (path >> 32), c2 = zero + counter, c3 = zero + stream;
        for (int round = 0; round < GC_PHILOX_ROUNDS; round++) {
            wide p0 = (wide)GC_WIDE_PRODUCT(m0, c0), p1 = (wide)GC_WIDE_PRODUCT(m1, c2);
            c0 = (p1 >> 32) ^ c1 ^ (zero + (k0 & GC_LOW_WORD));
            c2 = (p0 >> 32) ^ c3 ^ (zero + (k1 & GC_LOW_WORD));
            c1 = p1;
            c3 = p0;
            k0 += GC_PHILOX_W0;
            k1 += GC_PHILOX_W1;
        }
        wide one = (c1 << 32) | (c0 & GC_LOW_WORD), two = (c3 << 32) | (c2 & GC_LOW_WORD);
        memcpy(u + i, &one, sizeof one);
        memcpy(v + i, &two, sizeof two);
    }
#else
    for (int i = 0; i < GC_BLOCK; i++) {
        uint64_t path = first + (uint64_t)i;
        gc_philox(path & GC_LOW_WORD, path >> 32, counter, stream, seed & GC_LOW_WORD, seed >> 32, &u[i], &v[i]);
    }
#endif
}
