/* Rows of a plain CSV file: numbers, times, and texts as codes.
 *
 * Plain is what most programs write: ASCII, no quotes, no blanks around a cell, every row as long as the header,
 * numbers in digits, times as 2026-01-31T08:00:00.123Z or as a count since 1970. Where anything else is met nothing
 * is read, and the caller asks a reader that knows all forms and can say what is wrong.
 */
#ifndef GAMMACORE_CSV_ROWS_H
#define GAMMACORE_CSV_ROWS_H

#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GC_SKIPPED, GC_NUMBERS, GC_TIMES, GC_TEXTS };
enum { GC_NOT_PLAIN = -1, GC_NO_MEMORY = -2 };

typedef struct {
    const char *text;
    int64_t length;
    uint64_t hash;
} gc_cell;

/* A column; of texts, those met so far in order, and the table that finds them. */
typedef struct {
    int kind;
    double *number;
    int64_t *time;
    int32_t *code;
    gc_cell *texts;
    int32_t *slots; /* code + 1 of the text in the slot, 0 for none */
    int32_t count, size;
    const char *last; /* cell of the row before: most repeat it */
    int64_t last_length;
} gc_column;

static inline const char *gc_run(const char *s, uint64_t *value)
{
    for (; *s >= '0' && *s <= '9'; s++) *value = 10 * *value + (uint64_t)(*s - '0');
    return s;
}

/* The reader of Python, for what is not exact below. */
static inline double gc_long_number(const char *first)
{
    PyGILState_STATE state = PyGILState_Ensure();
    double value = PyOS_string_to_double(first, (char **)&first, NULL);
    if (PyErr_Occurred()) PyErr_Clear(), value = NAN;
    PyGILState_Release(state);
    return value;
}

/* A finite number; NULL where the text is none, or ends elsewhere.
 *
 * An integer below 2^53 and a power of ten up to 10^22 are exact in a double, so their quotient or product is the
 * nearest double (W. Clinger, PLDI 1990). */
static inline const char *gc_number(const char *s, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *first = s, *digits;
    uint64_t value = 0;
    int64_t power = 0, exponent = 0, read;
    s += *s == '-';
    s = gc_run(digits = s, &value);
    if (s == digits) return NULL;
    read = s - digits;
    if (*s == '.') {
        digits = s + 1;
        s = gc_run(digits, &value);
        if (s == digits) return NULL;
        power = digits - s;
        read -= power;
    }
    if (*s == 'e' || *s == 'E') {
        uint64_t size = 0;
        int negative = s[1] == '-';
        digits = s + 1 + (s[1] == '-' || s[1] == '+');
        s = gc_run(digits, &size);
        if (s == digits || s - digits > 3) return NULL;
        exponent = negative ? -(int64_t)size : (int64_t)size;
    }
    power += exponent;
    if (read <= 18 && value <= (UINT64_C(1) << 53) && power >= -22 && power <= 22) {
        double exact = (double)value;
        exact = power < 0 ? exact / tens[-power] : exact * tens[power];
        *out = *first == '-' ? -exact : exact;
    } else
        *out = gc_long_number(first);
    return isfinite(*out) ? s : NULL;
}

static inline int gc_pair(const char *s)
{
    return s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' ? 10 * (s[0] - '0') + s[1] - '0' : -1;
}

/* Days from 1970 to a date, or INT64_MIN if there is no such date; years 1900 to 2099, all of one century rule. */
static inline int64_t gc_days(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int leap = year % 4 == 0 && year != 1900, length;
    if (year < 1900 || year > 2099 || month < 1 || month > 12) return INT64_MIN;
    length = before[month] - before[month - 1] + (leap && month == 2);
    if (day < 1 || day > length) return INT64_MIN;
    return 365 * (int64_t)(year - 1970) + (year - 1901) / 4 - 17 + before[month - 1] + (leap && month > 2) + day - 1;
}

/* Nanoseconds of a time of one of the two plain forms; 0 if it is of another. */
static inline int gc_time(const char *s, int64_t length, int64_t *out)
{
    uint64_t value = 0;
    if (*s == '1' && (length == 10 || length == 13 || length == 16 || length == 19)) {
        const char *end = gc_run(s, &value);
        for (int64_t i = length; i < 19; i++) value *= 10;
        *out = (int64_t)value;
        return end == s + length;
    }
    if (length < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':') return 0;
    if (s[length - 1] != 'Z') return 0;
    int century = gc_pair(s), year = gc_pair(s + 2), hour = gc_pair(s + 11);
    int minute = gc_pair(s + 14), second = gc_pair(s + 17);
    int64_t days = year < 0 ? INT64_MIN : gc_days(100 * century + year, gc_pair(s + 5), gc_pair(s + 8));
    if (days == INT64_MIN || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return 0;
    if (length > 20) {
        int64_t decimals = length - 21;
        if (s[19] != '.' || decimals < 1 || decimals > 9 || gc_run(s + 20, &value) != s + length - 1) return 0;
        for (int64_t i = decimals; i < 9; i++) value *= 10;
    }
    *out = (((days * 24 + hour) * 60 + minute) * 60 + second) * INT64_C(1000000000) + (int64_t)value;
    return 1;
}

static inline int gc_grow(gc_column *column)
{
    int32_t size = column->size ? 4 * column->size : 256;
    gc_cell *texts = (gc_cell *)realloc(column->texts, sizeof(gc_cell) * (size_t)(size / 2));
    if (!texts) return 0;
    column->texts = texts;
    int32_t *slots = (int32_t *)calloc((size_t)size, sizeof(int32_t));
    if (!slots) return 0;
    free(column->slots);
    column->slots = slots;
    column->size = size;
    for (int32_t i = 0; i < column->count; i++) {
        uint64_t at = texts[i].hash & (uint64_t)(size - 1);
        while (slots[at]) at = (at + 1) & (uint64_t)(size - 1);
        slots[at] = i + 1;
    }
    return 1;
}

/* Code of a text, which is new where the table does not have it; GC_NO_MEMORY. */
static inline int32_t gc_code(gc_column *column, const char *s, int64_t length)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (int64_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)s[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    if (2 * column->count >= column->size && !gc_grow(column)) return GC_NO_MEMORY;
    uint64_t mask = (uint64_t)(column->size - 1), at = hash & mask;
    for (; column->slots[at]; at = (at + 1) & mask) {
        gc_cell *cell = &column->texts[column->slots[at] - 1];
        if (cell->hash == hash && cell->length == length && !memcmp(cell->text, s, (size_t)length))
            return column->slots[at] - 1;
    }
    column->texts[column->count] = (gc_cell){s, length, hash};
    column->slots[at] = ++column->count;
    return column->count - 1;
}

/* Put a cell of a time or text at its row; 0, or what went wrong. */
static inline int gc_put(gc_column *column, int64_t row, const char *s, int64_t length)
{
    if (!length || *s <= ' ' || s[length - 1] == ' ') return GC_NOT_PLAIN;
    int same = row && column->last_length == length && !memcmp(column->last, s, (size_t)length);
    column->last = s;
    column->last_length = length;
    if (column->kind == GC_TIMES) {
        if (same) column->time[row] = column->time[row - 1];
        else if (!gc_time(s, length, &column->time[row])) return GC_NOT_PLAIN;
        return 0;
    }
    column->code[row] = same ? column->code[row - 1] : gc_code(column, s, length);
    return column->code[row] < 0 ? GC_NO_MEMORY : 0;
}

/* Where a cell of ASCII ends: at a comma, an end of line, or what is not plain. */
static inline const char *gc_cell_end(const char *s)
{
    while (*s != ',' && *s != '"' && (signed char)*s >= ' ') s++;
    return s;
}

/* Read rows of `count` columns up to the zero byte at `end`, at most `room`; their number, or what went wrong. */
static inline int64_t gc_rows(const char *s, const char *end, gc_column *columns, int count, int64_t room)
{
    int64_t row = 0;
    for (; s < end; row++) {
        if (row == room || *s == '\n' || *s == '\r') return GC_NOT_PLAIN;
        for (int i = 0; i < count; i++) {
            gc_column *column = &columns[i];
            if (column->kind == GC_NUMBERS) {
                column->number[row] = NAN;
                if (*s != ',' && *s != '\n' && *s != '\r' && s != end) s = gc_number(s, &column->number[row]);
                if (!s) return GC_NOT_PLAIN;
            } else {
                const char *first = s;
                s = gc_cell_end(s);
                int wrong = column->kind == GC_SKIPPED ? 0 : gc_put(column, row, first, s - first);
                if (wrong) return wrong;
            }
            if (i < count - 1 && *s++ != ',') return GC_NOT_PLAIN;
        }
        s += *s == '\r';
        if (s < end && *s++ != '\n') return GC_NOT_PLAIN;
    }
    return row;
}

#endif
