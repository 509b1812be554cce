/* Years that are left until a moment.
 */
#ifndef GAMMACORE_YEARS_H
#define GAMMACORE_YEARS_H

#include <stddef.h>
#include <stdint.h>

#include "portable.h"
#include "simd.h"

#define GC_NS_PER_YEAR 31536000000000000.0 /* see gammacore.daycount */

/* Not below zero. The difference is taken in integers, so no nanosecond is lost before the division. */
GC_INLINE void gc_years_to(ptrdiff_t n, int64_t end_ns, const int64_t *GC_RESTRICT ts_ns, double *GC_RESTRICT years)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        int64_t left = end_ns - ts_ns[k];
        years[k] = (double)(left > 0 ? left : 0) / GC_NS_PER_YEAR;
    }
}

typedef void gc_years_writer(ptrdiff_t n, int64_t end_ns, const int64_t *ts_ns, double *years);

#define GC_YEARS(name, attributes)                                                                 \
    static attributes void name(ptrdiff_t n, int64_t end_ns, const int64_t *ts_ns, double *years)  \
    {                                                                                              \
        gc_years_to(n, end_ns, ts_ns, years);                                                      \
    }

GC_EACH_LEVEL(GC_YEARS, gc_write_years)

static gc_years_writer *gc_best_years(void) { return GC_WIDEST(gc_write_years); }

#endif
