#include "lib/base/request_start.h"

#include <string.h>

enum { FRACTION_DIGITS = 9 };

/* From 1973 (seconds above 10^8) to 5138 no two units share a number. */
static uint64_t unit_ns(uint64_t number)
{
    static const struct {
        uint64_t below, ns;
    } units[] = {{UINT64_C(100000000000), 1000000000},
                 {UINT64_C(100000000000000), 1000000},
                 {UINT64_C(100000000000000000), 1000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (number < units[i].below)
            return units[i].ns;
    }
    return 1;
}

/* The digits behind the point, as billionths. */
static int parse_fraction(struct text text, uint64_t *billionths)
{
    uint64_t value;

    for (; text.len > FRACTION_DIGITS; text.len--) {
        if (text.at[text.len - 1] < '0' || text.at[text.len - 1] > '9')
            return -1;
    }
    if (text_parse_uint(text, &value) != 0)
        return -1;
    for (size_t digits = text.len; digits < FRACTION_DIGITS; digits++)
        value *= 10;
    *billionths = value;
    return 0;
}

int request_start_parse(struct text text, uint64_t *unix_ns)
{
    const char *point;
    uint64_t number, unit, fraction = 0;
    struct text whole;

    text = text_trim(text);
    if (text.len > 2 && memcmp(text.at, "t=", 2) == 0)
        text = (struct text){text.at + 2, text.len - 2};
    if (text.len == 0)
        return -1;
    point = memchr(text.at, '.', text.len);
    whole = (struct text){text.at, point != NULL ? (size_t)(point - text.at) : text.len};
    if (text_parse_uint(whole, &number) != 0 || number == 0)
        return -1;
    if (point != NULL &&
        parse_fraction((struct text){point + 1, text.len - whole.len - 1}, &fraction) != 0)
        return -1;
    unit = unit_ns(number);
    return __builtin_mul_overflow(number, unit, &number) ||
                   __builtin_add_overflow(number, fraction * unit / UINT64_C(1000000000), unix_ns)
               ? -1
               : 0;
}
