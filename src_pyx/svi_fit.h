/* Fitting one SVI slice to quotes, and keeping it free of arbitrage.
 *
 * Minimises sum rho(weight (sqrt(w(k)) - sd)) over the quotes, sd a total volatility and rho Huber's
 * loss, by Levenberg and Marquardt in five free coordinates
 *
 *     ln (low - its bound), logit of left and of right within their bounds, m, ln s
 *
 * so that every iterate keeps Lee's bound and positive variance. The upper bounds are Lee's 2, or the
 * slopes of the next expiry; the lower ones keep a wing that has hardly any quotes from
 * lying down flat, which nothing but the calendar of shorter expiries would notice. Starts come from a grid of (m, s), for
 * each of which the other three parameters are a linear least squares problem (the
 * quasi-explicit reduction of Zeliade 2009); the best few are refined.
 *
 * Where the result has a negative g or exceeds the given ceiling (the next expiry's variance), rows
 * that punish it on a grid are added and the fit repeated with growing weight. If a violation is left
 * even so, the slice is moved along a line to a flat one, which has none, as far as it takes.
 */
#ifndef GAMMACORE_SVI_FIT_H
#define GAMMACORE_SVI_FIT_H

#include <stddef.h>

#include "svi.h"

#define GC_SVI_STARTS 3
#define GC_SVI_GRID 120      /* points of the rows that punish */
#define GC_SVI_DENSE 251     /* points of the final check, on each scale */
#define GC_SVI_MARGIN 2e-3   /* g that the punishing rows ask for, so that the dense check passes */
#define GC_SVI_LEAST_G 3e-4  /* g and gap to the ceiling, relative, that the dense check wants: for what lies */
#define GC_SVI_LEAST_GAP 5e-5 /* between its points */
#define GC_SVI_LOWEST 0.01   /* least variance, in the lowest quoted one */
#define GC_SVI_FLATTEST 0.1  /* least slope of a wing, in total volatilities at the money; usual are 0.5 to 3 */
#define GC_SVI_REACH 3.0     /* |ln(K/F)| that checks go to; beyond it wings are straight */

typedef struct {
    const double *k, *sd, *weight;
    ptrdiff_t n;
    double huber, low_min, left_min, left_max, right_min, right_max, m_min, m_max;
    const gc_svi *ceiling; /* NULL, or the slice whose variance must not be exceeded */
    double penalty;        /* weight of the rows that punish; 0 for none */
    int grid_n;
    double grid[GC_SVI_GRID];
} gc_svi_problem;

typedef struct {
    double cost, lowest_g, highest_excess;
    int iterations, rounds, projected;
} gc_svi_outcome;

/* ---- coordinates ---------------------------------------------------------------- */

GC_INLINE double gc_clamp(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

GC_INLINE double gc_logit(double share)
{
    share = gc_clamp(share, 1e-9, 1.0 - 1e-9);
    return log(share / (1.0 - share));
}

static gc_svi gc_svi_at(const gc_svi_problem *q, const double *u)
{
    gc_svi p;
    p.low = q->low_min + exp(gc_clamp(u[0], -25.0, 5.0));
    p.left = q->left_min + (q->left_max - q->left_min) / (1.0 + exp(-gc_clamp(u[1], -20.0, 20.0)));
    p.right = q->right_min + (q->right_max - q->right_min) / (1.0 + exp(-gc_clamp(u[2], -20.0, 20.0)));
    p.m = gc_clamp(u[3], q->m_min, q->m_max);
    p.s = exp(gc_clamp(u[4], -9.0, 3.0));
    return p;
}

static void gc_svi_coordinates(const gc_svi_problem *q, const gc_svi *p, double *u)
{
    u[0] = log(p->low - q->low_min > 1e-10 ? p->low - q->low_min : 1e-10);
    u[1] = gc_logit((p->left - q->left_min) / (q->left_max - q->left_min));
    u[2] = gc_logit((p->right - q->right_min) / (q->right_max - q->right_min));
    u[3] = p->m;
    u[4] = log(p->s);
}

/* ---- one evaluation -------------------------------------------------------------- */

/* Adds a row with residual r, Huber factor f and gradient d in free coordinates. */
GC_INLINE void gc_add_row(double normal[5][5], double *slope, const double *d, double r, double f)
{
    for (int i = 0; i < 5; i++) {
        slope[i] += f * d[i] * r;
        for (int j = 0; j <= i; j++) normal[i][j] += f * d[i] * d[j];
    }
}

/* Cost at u; with `normal` not NULL also the normal equations there. */
static double gc_svi_cost(const gc_svi_problem *q, const double *u, double normal[5][5], double *slope)
{
    gc_svi p = gc_svi_at(q, u);
    double left = p.left - q->left_min, right = p.right - q->right_min;
    double chain[5] = {p.low - q->low_min, left * (1.0 - left / (q->left_max - q->left_min)),
                       right * (1.0 - right / (q->right_max - q->right_min)), 1.0, p.s};
    double dw[5], dw1[5], dw2[5], d[5], cost = 0.0;
    if (normal)
        for (int i = 0; i < 5; i++) {
            slope[i] = 0.0;
            for (int j = 0; j < 5; j++) normal[i][j] = 0.0;
        }
    for (ptrdiff_t i = 0; i < q->n; i++) {
        double root = sqrt(gc_svi_variance(&p, q->k[i]).w);
        double r = q->weight[i] * (root - q->sd[i]), size = fabs(r), f = 1.0;
        if (size > q->huber) {
            f = q->huber / size;
            cost += q->huber * (size - 0.5 * q->huber);
        } else {
            cost += 0.5 * r * r;
        }
        if (!normal) continue;
        gc_svi_gradients(&p, q->k[i], dw, dw1, dw2);
        for (int j = 0; j < 5; j++) d[j] = q->weight[i] * 0.5 / root * dw[j] * chain[j];
        gc_add_row(normal, slope, d, r, f);
    }
    if (q->penalty <= 0.0) return cost;
    for (int i = 0; i < q->grid_n; i++) {
        double k = q->grid[i];
        gc_variance v = gc_svi_variance(&p, k);
        double g = gc_butterfly(&v, k) - GC_SVI_MARGIN;
        double excess = -1.0;
        if (q->ceiling) {
            double top = sqrt(gc_svi_variance(q->ceiling, k).w);
            excess = sqrt(v.w) / top - (1.0 - 1e-4);
        }
        if (g >= 0.0 && excess <= 0.0) continue;
        if (normal) gc_svi_gradients(&p, k, dw, dw1, dw2);
        if (g < 0.0) {
            double weight = q->penalty;
            cost += 0.5 * weight * g * g;
            if (normal) {
                double inner = 1.0 - 0.5 * k * v.w1 / v.w, iw = 1.0 / v.w;
                double gw = inner * k * v.w1 * iw * iw + 0.25 * v.w1 * v.w1 * iw * iw;
                double gw1 = -inner * k * iw - 0.5 * v.w1 * (iw + 0.25);
                for (int j = 0; j < 5; j++)
                    d[j] = (gw * dw[j] + gw1 * dw1[j] + 0.5 * dw2[j]) * chain[j];
                gc_add_row(normal, slope, d, g, weight);
            }
        }
        if (excess > 0.0) {
            double weight = 100.0 * q->penalty;
            cost += 0.5 * weight * excess * excess;
            if (normal) {
                double factor = 0.5 / sqrt(v.w) / sqrt(gc_svi_variance(q->ceiling, k).w);
                for (int j = 0; j < 5; j++) d[j] = factor * dw[j] * chain[j];
                gc_add_row(normal, slope, d, excess, weight);
            }
        }
    }
    return cost;
}

/* Solves the damped normal equations by Cholesky; 0 if they are not positive definite. */
static int gc_solve5(double normal[5][5], const double *slope, double damping, double *step)
{
    double c[5][5];
    for (int i = 0; i < 5; i++)
        for (int j = 0; j <= i; j++) {
            double sum = normal[i][j] + (i == j ? damping * normal[i][i] + 1e-12 : 0.0);
            for (int l = 0; l < j; l++) sum -= c[i][l] * c[j][l];
            if (i == j) {
                if (!(sum > 0.0)) return 0;
                c[i][i] = sqrt(sum);
            } else {
                c[i][j] = sum / c[j][j];
            }
        }
    for (int i = 0; i < 5; i++) {
        double sum = -slope[i];
        for (int l = 0; l < i; l++) sum -= c[i][l] * step[l];
        step[i] = sum / c[i][i];
    }
    for (int i = 4; i >= 0; i--) {
        double sum = step[i];
        for (int l = i + 1; l < 5; l++) sum -= c[l][i] * step[l];
        step[i] = sum / c[i][i];
    }
    return 1;
}

/* Levenberg-Marquardt from u, in place; returns the cost. */
static double gc_svi_descend(const gc_svi_problem *q, double *u, int most, int *iterations)
{
    double normal[5][5], slope[5], step[5], trial[5], damping = 1e-3;
    double cost = gc_svi_cost(q, u, normal, slope);
    for (int it = 0; it < most; it++) {
        ++*iterations;
        if (!gc_solve5(normal, slope, damping, step)) {
            damping = damping * 10.0 + 1e-6;
            if (damping > 1e12) break;
            continue;
        }
        /* Coordinates are logarithms and moneyness: longer steps leave where the model is linear. */
        for (int i = 0; i < 5; i++) trial[i] = u[i] + gc_clamp(step[i], -2.0, 2.0);
        for (int i = 1; i < 3; i++) trial[i] = gc_clamp(trial[i], -20.0, 20.0);
        trial[3] = gc_clamp(trial[3], q->m_min, q->m_max);
        double next = gc_svi_cost(q, trial, NULL, NULL);
        if (next < cost) {
            double gain = cost - next;
            for (int i = 0; i < 5; i++) u[i] = trial[i];
            damping = damping > 1e-12 ? 0.2 * damping : damping;
            if (gain < 1e-7 * (cost + 1e-12)) return next;
            cost = gc_svi_cost(q, u, normal, slope);
        } else {
            damping *= 5.0;
            if (damping > 1e10) break;
        }
    }
    return cost;
}

/* ---- starts ---------------------------------------------------------------------- */

/* Best low, left and right for given m and s: linear least squares in (1, x, h), then into bounds. */
static gc_svi gc_svi_linear(const gc_svi_problem *q, double m, double s)
{
    double n[3][3] = {{0}}, t[3] = {0};
    for (ptrdiff_t i = 0; i < q->n; i++) {
        /* d sqrt(w) = dw / (2 sd) */
        double f = q->weight[i] / (2.0 * q->sd[i]), x = q->k[i] - m, h = sqrt(x * x + s * s);
        double row[3] = {f, f * x, f * h}, y = f * q->sd[i] * q->sd[i];
        for (int a = 0; a < 3; a++) {
            t[a] += row[a] * y;
            for (int b = 0; b < 3; b++) n[a][b] += row[a] * row[b];
        }
    }
    for (int a = 0; a < 3; a++) n[a][a] *= 1.0 + 1e-10;
    for (int a = 0; a < 3; a++)
        for (int b = a + 1; b < 3; b++) {
            double f = n[b][a] / n[a][a];
            for (int c = a; c < 3; c++) n[b][c] -= f * n[a][c];
            t[b] -= f * t[a];
        }
    double z[3];
    z[2] = t[2] / n[2][2];
    z[1] = (t[1] - n[1][2] * z[2]) / n[1][1];
    z[0] = (t[0] - n[0][1] * z[1] - n[0][2] * z[2]) / n[0][0];
    gc_svi p;
    p.m = m;
    p.s = s;
    double left = 0.01 * (q->left_max - q->left_min), right = 0.01 * (q->right_max - q->right_min);
    p.left = gc_clamp(z[2] - z[1], q->left_min + left, q->left_max - left);
    p.right = gc_clamp(z[2] + z[1], q->right_min + right, q->right_max - right);
    p.low = z[0] + s * sqrt(p.left * p.right);
    if (!(p.low > 1.1 * q->low_min)) p.low = 1.1 * q->low_min;
    return p;
}

/* The best few starts of a grid of (m, s), in order. Returns how many there are. */
static int gc_svi_starts(const gc_svi_problem *q, double starts[GC_SVI_STARTS][5])
{
    double best[GC_SVI_STARTS];
    int found = 0;
    /* bounds of m are four widths on either side of the quotes */
    double width = (q->m_max - q->m_min) / 9.0, lowest = q->m_min + 4.0 * width;
    for (int i = 0; i < 6; i++)
        for (int j = -1; j < 8; j++) {
            double u[5], s = width * 0.02 * exp(0.85 * i), m = lowest + width * (j + 0.5) / 7.0;
            gc_svi p = gc_svi_linear(q, m, s);
            gc_svi_coordinates(q, &p, u);
            double cost = gc_svi_cost(q, u, NULL, NULL);
            if (!(cost < 1e300)) continue;
            int at = found < GC_SVI_STARTS ? found : GC_SVI_STARTS;
            while (at > 0 && best[at - 1] > cost) at--;
            if (at >= GC_SVI_STARTS) continue;
            if (found < GC_SVI_STARTS) found++;
            for (int l = found - 1; l > at; l--) {
                best[l] = best[l - 1];
                for (int c = 0; c < 5; c++) starts[l][c] = starts[l - 1][c];
            }
            best[at] = cost;
            for (int c = 0; c < 5; c++) starts[at][c] = u[c];
        }
    return found;
}

/* ---- arbitrage ------------------------------------------------------------------- */

/* Point i of n on a grid dense around a centre on a scale, as far as GC_SVI_REACH from it. */
GC_INLINE double gc_spread_point(double centre, double scale, int i, int n)
{
    double last = asinh(GC_SVI_REACH / scale);
    return centre + scale * sinh(last * (2.0 * i / (n - 1.0) - 1.0));
}

/* Where w is lowest, and the distance over which it bends there relative to its size. */
GC_INLINE void gc_svi_bottom(const gc_svi *p, double *centre, double *unit)
{
    double root = sqrt(p->left * p->right), b = 0.5 * (p->left + p->right);
    double h = p->s * b / root; /* s / sqrt(1 - rho^2) */
    double bend = sqrt(2.0 * p->low * h * h * h / (b * p->s * p->s));
    *centre = gc_clamp(p->m + 0.5 * p->s * (p->left - p->right) / root, -GC_SVI_REACH, GC_SVI_REACH);
    *unit = gc_clamp(bend < h ? bend : h, 1e-4, 10.0);
}

/* Centres and units of the grids that a slice and its ceiling are looked at on. Returns how many. */
static int gc_svi_places(const gc_svi *p, const gc_svi *ceiling, double *centre, double *unit)
{
    centre[0] = 0.0;
    unit[0] = sqrt(gc_svi_variance(p, 0.0).w);
    gc_svi_bottom(p, &centre[1], &unit[1]);
    centre[2] = p->m;
    unit[2] = p->s;
    if (!ceiling) return 3;
    gc_svi_bottom(ceiling, &centre[3], &unit[3]);
    centre[4] = ceiling->m;
    unit[4] = ceiling->s;
    return 5;
}

/* Lowest g and highest w / ceiling - 1 on dense grids around the places where they are at risk. */
static void gc_svi_check(const gc_svi *p, const gc_svi *ceiling, double *lowest_g, double *excess)
{
    *lowest_g = 1e300;
    *excess = -1e300;
    double centres[5], units[5];
    int places = gc_svi_places(p, ceiling, centres, units);
    for (int place = 0; place < places; place++) {
        double centre = centres[place], unit = units[place];
        for (int i = 0; i < GC_SVI_DENSE; i++) {
            double k = gc_spread_point(centre, unit, i, GC_SVI_DENSE);
            gc_variance v = gc_svi_variance(p, k);
            double g = gc_butterfly(&v, k);
            if (!(g >= *lowest_g)) *lowest_g = g;
            if (ceiling) {
                double over = v.w / gc_svi_variance(ceiling, k).w - 1.0;
                if (!(over <= *excess)) *excess = over;
            }
        }
    }
}

GC_INLINE int gc_svi_free(const gc_svi *p, const gc_svi *ceiling, gc_svi_outcome *o)
{
    gc_svi_check(p, ceiling, &o->lowest_g, &o->highest_excess);
    return o->lowest_g >= GC_SVI_LEAST_G && (!ceiling || o->highest_excess <= -GC_SVI_LEAST_GAP);
}

/* Moves a slice towards a flat one below the ceiling until no violation is left. */
static gc_svi gc_svi_project(gc_svi_problem *q, const gc_svi *from, gc_svi_outcome *o)
{
    q->low_min = q->left_min = q->right_min = 0.0;
    gc_svi flat = *from, p = *from;
    double at[5], to[5], u[5], done = 1.0, failed = 0.0, lowest = gc_svi_variance(from, 0.0).w;
    if (q->ceiling && q->ceiling->low < lowest) lowest = 0.99 * q->ceiling->low;
    flat.low = lowest;
    flat.left = 1e-8 * q->left_max;
    flat.right = 1e-8 * q->right_max;
    gc_svi_coordinates(q, from, at);
    gc_svi_coordinates(q, &flat, to);
    for (int i = 0; i < 40; i++) {
        double share = 0.5 * (done + failed);
        for (int c = 0; c < 5; c++) u[c] = at[c] + share * (to[c] - at[c]);
        p = gc_svi_at(q, u);
        if (gc_svi_free(&p, q->ceiling, o))
            done = share;
        else
            failed = share;
    }
    for (int c = 0; c < 5; c++) u[c] = at[c] + done * (to[c] - at[c]);
    return gc_svi_at(q, u);
}

/* ---- the fit --------------------------------------------------------------------- */

static gc_svi gc_svi_fit(gc_svi_problem *q, gc_svi_outcome *o)
{
    double money = q->sd[0], nearest = fabs(q->k[0]), least = q->sd[0];
    for (ptrdiff_t i = 1; i < q->n; i++) {
        if (q->sd[i] < least) least = q->sd[i];
        if (fabs(q->k[i]) < nearest) {
            nearest = fabs(q->k[i]);
            money = q->sd[i];
        }
    }
    q->low_min = GC_SVI_LOWEST * least * least;
    if (q->ceiling && 0.5 * q->ceiling->low < q->low_min) q->low_min = 0.5 * q->ceiling->low;
    q->left_min = gc_clamp(GC_SVI_FLATTEST * money, 0.0, 0.5 * q->left_max);
    q->right_min = gc_clamp(GC_SVI_FLATTEST * money, 0.0, 0.5 * q->right_max);
    double starts[GC_SVI_STARTS][5], best[5] = {0};
    o->cost = 1e300;
    o->iterations = o->rounds = o->projected = 0;
    double lowest = q->k[0], highest = q->k[0];
    for (ptrdiff_t i = 1; i < q->n; i++) {
        if (q->k[i] < lowest) lowest = q->k[i];
        if (q->k[i] > highest) highest = q->k[i];
    }
    q->m_min = lowest - 4.0 * (highest - lowest);
    q->m_max = highest + 4.0 * (highest - lowest);
    q->penalty = 0.0;
    int found = gc_svi_starts(q, starts);
    for (int i = 0; i < found; i++) {
        double cost = gc_svi_descend(q, starts[i], 100, &o->iterations);
        if (cost < o->cost) {
            o->cost = cost;
            for (int c = 0; c < 5; c++) best[c] = starts[i][c];
        }
    }
    gc_svi p = gc_svi_at(q, best);
    double scale = 1.0 + o->cost;
    for (; o->rounds < 4 && !gc_svi_free(&p, q->ceiling, o); o->rounds++) {
        double centres[5], units[5];
        int places = gc_svi_places(&p, q->ceiling, centres, units), each = GC_SVI_GRID / places;
        q->grid_n = each * places;
        for (int i = 0; i < q->grid_n; i++)
            q->grid[i] = gc_spread_point(centres[i / each], units[i / each], i % each, each);
        q->penalty = scale * (o->rounds == 0 ? 1e2 : o->rounds == 1 ? 1e4 : o->rounds == 2 ? 1e6 : 1e8);
        double lowest_cost = gc_svi_descend(q, best, 100, &o->iterations);
        /* The way from a slice with arbitrage may end in a poor corner: also start afresh. */
        for (int i = 0, count = gc_svi_starts(q, starts); i < count; i++) {
            double cost = gc_svi_descend(q, starts[i], 100, &o->iterations);
            if (cost >= lowest_cost) continue;
            lowest_cost = cost;
            for (int c = 0; c < 5; c++) best[c] = starts[i][c];
        }
        p = gc_svi_at(q, best);
    }
    if (!gc_svi_free(&p, q->ceiling, o)) {
        p = gc_svi_project(q, &p, o);
        gc_svi_free(&p, q->ceiling, o);
        o->projected = 1;
    }
    q->penalty = 0.0;
    gc_svi_coordinates(q, &p, best);
    o->cost = gc_svi_cost(q, best, NULL, NULL);
    return p;
}

#endif
