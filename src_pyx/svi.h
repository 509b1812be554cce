/* Raw SVI at one point: total variance, its derivatives, and what they say of arbitrage.
 *
 * Gatheral (2004): w(k) = a + b (rho x + h), x = k - m, h = sqrt(x^2 + s^2), k = ln(K/F).
 * Here by its wings instead, whose slopes and lowest point are what the constraints are about:
 *
 *     left = b (1 - rho), right = b (1 + rho), low = a + b s sqrt(1 - rho^2)
 *     w(k) = low - s sqrt(left right) + (right - left)/2 x + (left + right)/2 h
 *
 * Positive low, s and slopes up to 2 are then all of: positive variance, b >= 0, |rho| < 1, s > 0 and
 * Lee's (2004) bound b (1 + |rho|) <= 2.
 */
#ifndef GAMMACORE_SVI_H
#define GAMMACORE_SVI_H

#include <math.h>

#include "portable.h"

typedef struct {
    double low, left, right, m, s;
} gc_svi;

/* w and its first two derivatives in k. */
typedef struct {
    double w, w1, w2;
} gc_variance;

GC_INLINE gc_svi gc_svi_from_raw(double a, double b, double rho, double m, double s)
{
    gc_svi p;
    p.low = a + b * s * sqrt(1.0 - rho * rho);
    p.left = b * (1.0 - rho);
    p.right = b * (1.0 + rho);
    p.m = m;
    p.s = s;
    return p;
}

GC_INLINE void gc_svi_to_raw(const gc_svi *p, double *raw)
{
    double sum = p->left + p->right;
    raw[0] = p->low - p->s * sqrt(p->left * p->right);
    raw[1] = 0.5 * sum;
    raw[2] = sum > 0.0 ? (p->right - p->left) / sum : 0.0;
    raw[3] = p->m;
    raw[4] = p->s;
}

GC_INLINE gc_variance gc_svi_variance(const gc_svi *p, double k)
{
    gc_variance v;
    double x = k - p->m, h = sqrt(x * x + p->s * p->s);
    double tilt = 0.5 * (p->right - p->left), b = 0.5 * (p->right + p->left);
    v.w = p->low - p->s * sqrt(p->left * p->right) + tilt * x + b * h;
    v.w1 = tilt + b * x / h;
    v.w2 = b * p->s * p->s / (h * h * h);
    return v;
}

/* Gatheral and Jacquier (2014), 2.1: the density of ln(S/F) is g times a positive factor, so a
 * slice is free of butterfly arbitrage where g >= 0. */
GC_INLINE double gc_butterfly(const gc_variance *v, double k)
{
    double inner = 1.0 - 0.5 * k * v->w1 / v->w;
    return inner * inner - 0.25 * v->w1 * v->w1 * (1.0 / v->w + 0.25) + 0.5 * v->w2;
}

/* Derivatives of w, w1 and w2 in (low, left, right, m, s). */
GC_INLINE void gc_svi_gradients(const gc_svi *p, double k, double *dw, double *dw1, double *dw2)
{
    double x = k - p->m, h = sqrt(x * x + p->s * p->s), ih = 1.0 / h, ih3 = ih * ih * ih;
    double root = sqrt(p->left * p->right), b = 0.5 * (p->left + p->right), s = p->s;
    double w1 = 0.5 * (p->right - p->left) + b * x * ih, w2 = b * s * s * ih3;
    dw[0] = 1.0;
    dw[1] = 0.5 * (h - x - s * root / p->left);
    dw[2] = 0.5 * (h + x - s * root / p->right);
    dw[3] = -w1;
    dw[4] = b * s * ih - root;
    dw1[0] = 0.0;
    dw1[1] = 0.5 * (x * ih - 1.0);
    dw1[2] = 0.5 * (x * ih + 1.0);
    dw1[3] = -w2;
    dw1[4] = -b * x * s * ih3;
    dw2[0] = 0.0;
    dw2[1] = dw2[2] = 0.5 * s * s * ih3;
    dw2[3] = 3.0 * w2 * x * ih * ih;
    dw2[4] = b * s * ih3 * (2.0 - 3.0 * s * s * ih * ih);
}

#endif
