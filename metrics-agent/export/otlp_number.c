#include "metrics-agent/export/otlp_number.h"

#include "lib/base/json_walk.h"

#include <math.h>
#include <stddef.h>

enum {
    EXPONENT_MAX = 1 << 30, /* far beyond what any text's digits can make up for */
    POWER_MAX = 20,         /* 10^20 needs more than 64 bits */
};

static const char not_whole[] = "not a whole number", out_of_range[] = "a number out of range";

/* Multiplies by 10^power and adds `digit`. */
static bool shift(uint64_t *n, int64_t power, unsigned digit)
{
    if (*n != 0 && power >= POWER_MAX)
        return false;
    for (; *n != 0 && power > 0; power--) {
        if (__builtin_mul_overflow(*n, UINT64_C(10), n))
            return false;
    }
    return !__builtin_add_overflow(*n, (uint64_t)digit, n);
}

static int64_t read_exponent(const char *at, const char *end)
{
    const bool negative = at < end && *at == '-';
    int64_t exponent = 0;

    at += at < end && (*at == '-' || *at == '+');
    for (; at < end && exponent < EXPONENT_MAX; at++)
        exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

/* The magnitude of a number of the JSON grammar, without its sign. */
static const char *read_exact(struct text text, uint64_t *n)
{
    const char *at = text.at, *const end = text.at + text.len;
    int64_t zeros = 0; /* digits 0 since the last other one: they may be behind the point */
    int64_t exponent = 0;
    bool fraction = false;

    *n = 0;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        exponent -= fraction;
        zeros++;
        if (*at == '0')
            continue;
        if (!shift(n, zeros, (unsigned)(*at - '0')))
            return out_of_range;
        zeros = 0;
    }
    if (*n == 0)
        return NULL;
    exponent += zeros;
    if (at < end)
        exponent += read_exponent(at + 1, end);
    if (exponent < 0)
        return not_whole;
    return shift(n, exponent, 0) ? NULL : out_of_range;
}

const char *otlp_number_whole(struct text text, struct otlp_number *number)
{
    number->negative = text.len > 0 && text.at[0] == '-';
    if (number->negative)
        text = (struct text){text.at + 1, text.len - 1};
    if (text_parse_uint(text, &number->magnitude) == 0)
        return NULL;
    if (json_walk_number(text) == JSON_NUMBER_NONE || text.at[0] == '-')
        return not_whole;
    return read_exact(text, &number->magnitude);
}

const char *otlp_number_double(struct text text, double *number)
{
    if (text_is(text, "NaN"))
        *number = NAN;
    else if (text_is(text, "Infinity"))
        *number = INFINITY;
    else if (text_is(text, "-Infinity"))
        *number = -INFINITY;
    else if (json_walk_double(text, number) != 0)
        return "not a number";
    else if (isinf(*number))
        return out_of_range;
    return NULL;
}
