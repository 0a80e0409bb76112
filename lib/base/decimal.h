/*
 * Numbers as decimal text. Pure. Each function returns the length of the text that it writes.
 */
#ifndef LIB_BASE_DECIMAL_H
#define LIB_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

enum {
    DECIMAL_INT_SIZE = 20,    /* bytes of the longest 64-bit integer, with its sign */
    DECIMAL_DOUBLE_SIZE = 32, /* room for any double's text and a NUL */
};

/* At most DECIMAL_INT_SIZE bytes, without a NUL. */
size_t decimal_uint(char *out, uint64_t value);
size_t decimal_int(char *out, int64_t value);

/* Two digits of a number below 100, as a clock shows it. */
void decimal_pair(char *out, unsigned value);

/*
 * The shortest text that reads back as the same double, which is finite, always with a fraction or
 * an exponent ("14.0", "1e+22"), and a NUL that the length leaves out: at most DECIMAL_DOUBLE_SIZE.
 */
size_t decimal_double(char *out, double value);

#endif
