#include "lib/base/config_unit.h"

#include "lib/base/text.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { FRACTION_MAX = 9 /* digits after the point */ };

struct suffix {
    const char *text;
    uint64_t parts;
};

static const struct suffix sizes[] = {
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct suffix times[] = {
    {"us", 1},          {"ms", 1000},
    {"s", 1000000},     {"m", 60 * UINT64_C(1000000)},
    {"h", 3600000000u}, {"d", 24 * UINT64_C(3600000000)},
    {NULL, 0},
};

uint64_t config_unit_parts(enum config_unit unit)
{
    static const uint64_t parts[CONFIG_UNITS] = {
        [CONFIG_UNIT_NONE] = 1,
        [CONFIG_UNIT_BYTES] = 1,
        [CONFIG_UNIT_MS] = 1000,
        [CONFIG_UNIT_S] = 1000000,
    };

    return parts[unit];
}

/* 0 if there is no such unit. */
static uint64_t parts_of(enum config_unit unit, const char *text, size_t len)
{
    const bool size = unit == CONFIG_UNIT_BYTES;

    /* KB and KiB are K. */
    if (size && ((len == 3 && strncasecmp(text + 1, "iB", 2) == 0) ||
                 (len == 2 && strncasecmp(text + 1, "B", 1) == 0)))
        len = 1;
    for (const struct suffix *s = size ? sizes : times; s->text != NULL; s++) {
        if (strlen(s->text) == len &&
            (size ? strncasecmp(s->text, text, len) : strncmp(s->text, text, len)) == 0)
            return s->parts;
    }
    return 0;
}

static size_t digits(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

int config_unit_parse(enum config_unit unit, const char *text, size_t len, uint64_t *amount)
{
    const size_t whole = digits(text, len);
    size_t end = whole, fraction = 0;
    uint64_t parts = config_unit_parts(unit), sum = 0, rest = 0, scale = 1;

    if (whole == 0)
        return -1;
    if (end < len && text[end] == '.') {
        fraction = digits(text + end + 1, len - end - 1);
        end += 1 + fraction;
        if (fraction == 0 || fraction > FRACTION_MAX || end == len)
            return -1;
    }
    if (end < len &&
        (unit == CONFIG_UNIT_NONE || (parts = parts_of(unit, text + end, len - end)) == 0))
        return -1;
    if (text_parse_uint((struct text){text, whole}, &sum) != 0)
        return -1;
    for (size_t i = 0; i < fraction; i++) {
        rest = rest * 10 + (uint64_t)(text[whole + 1 + i] - '0');
        scale *= 10;
    }
    if (__builtin_mul_overflow(sum, parts, &sum) || __builtin_mul_overflow(rest, parts, &rest) ||
        rest % scale != 0 || __builtin_add_overflow(sum, rest / scale, &sum))
        return -1;
    *amount = sum;
    return 0;
}
