/* Everything that is compiled once per instruction set, in order. GC_SUFFIX is a suffix to
 * all names, GC_TARGET the function attributes of the set (may be empty). */
#include "implied.h"
#include "inputs.h"

#include "block_loops.h"
#include "black_loops.h"
#include "greek_loops.h"
#include "implied_loops.h"
#include "points.h"
