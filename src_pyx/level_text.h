/* Levels of a book as the exchange writes them: [["new",60000.5,100.0],["delete",60000.0,0.0]], or without actions.
 *
 * Decimals are read as an integer over a power of ten, both exact in a double, so the quotient is the nearest
 * double (W. Clinger, PLDI 1990); what has more digits or an exponent goes to Python's own reader.
 */
#ifndef GAMMACORE_LEVEL_TEXT_H
#define GAMMACORE_LEVEL_TEXT_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#define GC_EXACT_DIGITS 15

static inline const char *gc_blank(const char *s)
{
    while (*s == ' ') s++;
    return s;
}

/* Step over a character; NULL if it is another, or there was an error before. */
static inline const char *gc_expect(const char *s, char c)
{
    if (!s) return NULL;
    s = gc_blank(s);
    return *s == c ? gc_blank(s + 1) : NULL;
}

static inline const char *gc_digits(const char *s, uint64_t *value, int *count)
{
    for (; *s >= '0' && *s <= '9'; s++, ++*count) *value = 10 * *value + (uint64_t)(*s - '0');
    return s;
}

/* A number; the text ends with a zero byte, at which every loop stops. */
static inline const char *gc_decimal(const char *s, double *out)
{
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (!s) return NULL;
    const char *first = s;
    int negative = *s == '-', whole = 0, digits;
    uint64_t value = 0;
    s = gc_digits(s + negative, &value, &whole);
    digits = whole;
    if (!whole) return NULL;
    if (*s == '.') {
        s = gc_digits(s + 1, &value, &digits);
        if (digits == whole) return NULL;
    }
    if (digits > GC_EXACT_DIGITS || *s == 'e' || *s == 'E') {
        char *end = NULL;
        *out = PyOS_string_to_double(first, &end, NULL);
        if (PyErr_Occurred()) PyErr_Clear(), end = NULL;
        return end;
    }
    *out = (double)value / tens[digits - whole];
    if (negative) *out = -*out;
    return s;
}

/* A level; an amount that is deleted is nil. */
static inline const char *gc_level(const char *s, double *price, double *amount)
{
    int deleted = 0;
    s = gc_expect(s, '[');
    if (s && *s == '"') {
        const char *end = strchr(s + 1, '"');
        if (!end) return NULL;
        deleted = end - s == 7 && !memcmp(s, "\"delete", 7);
        s = gc_expect(end + 1, ',');
    }
    s = gc_expect(gc_decimal(s, price), ',');
    s = gc_expect(gc_decimal(s, amount), ']');
    if (deleted) *amount = 0.0;
    return s;
}

/* Number of levels of a text, -1 where it has another form; needs room for a fifth of its length. */
static inline ptrdiff_t gc_levels(const char *s, double *price, double *amount)
{
    ptrdiff_t n = 0;
    s = gc_expect(s, '[');
    if (s && *s == ']') return *gc_blank(s + 1) ? -1 : 0;
    while (s) {
        s = gc_level(s, price + n, amount + n);
        n++;
        if (s && *s == ']') return *gc_blank(s + 1) ? -1 : n;
        s = gc_expect(s, ',');
    }
    return -1;
}

#endif
