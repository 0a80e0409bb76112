#include "lib/base/decimal.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EIGHT_DIGITS = 100000000,
    PLACES = 6, /* of a fraction that is tried first: that of milliseconds made of nanoseconds */
    SIX_DIGITS = 1000000,
    CERTAIN_DIGITS = 15, /* of a decimal text that no other text of that length stands for */
};

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* Those that are exact as doubles. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

void decimal_pair(char *out, unsigned value)
{
    memcpy(out, pairs + 2 * value, 2);
}

static size_t count_digits(uint64_t value)
{
    static const uint64_t first[] = {0,
                                     10,
                                     100,
                                     1000,
                                     10000,
                                     100000,
                                     1000000,
                                     10000000,
                                     100000000,
                                     1000000000,
                                     10000000000,
                                     100000000000,
                                     1000000000000,
                                     10000000000000,
                                     100000000000000,
                                     1000000000000000,
                                     10000000000000000,
                                     100000000000000000,
                                     1000000000000000000,
                                     10000000000000000000u};
    /* 1233 / 4096 is a little more than the logarithm of 2. */
    const unsigned guess = (unsigned)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;

    return guess + (value >= first[guess]);
}

size_t decimal_uint(char *out, uint64_t value)
{
    size_t count;
    char *at;

    if (value < 10) {
        *out = (char)('0' + value);
        return 1;
    }
    count = count_digits(value);
    at = out + count;
    while (value >= EIGHT_DIGITS) {
        const unsigned low = (unsigned)(value % EIGHT_DIGITS);

        value /= EIGHT_DIGITS;
        at -= 8;
        decimal_pair(at, low / 1000000);
        decimal_pair(at + 2, low / 10000 % 100);
        decimal_pair(at + 4, low / 100 % 100);
        decimal_pair(at + 6, low % 100);
    }
    for (unsigned left = (unsigned)value;; left /= 100) {
        if (left < 10) {
            /* All digits are there, if there were others. */
            if (at > out)
                *out = (char)('0' + left);
            break;
        }
        at -= 2;
        decimal_pair(at, left % 100);
    }
    return count;
}

size_t decimal_int(char *out, int64_t value)
{
    if (value >= 0)
        return decimal_uint(out, (uint64_t)value);
    out[0] = '-';
    return 1 + decimal_uint(out + 1, 0 - (uint64_t)value);
}

/*
 * The common case: a whole number, or one with few places. Returns the length, or 0 if the value is
 * of another kind.
 */
static size_t write_short(char *out, double magnitude)
{
    uint64_t scaled;
    size_t len;

    if (magnitude < 0x1p53 && (double)(int64_t)magnitude == magnitude) {
        len = decimal_uint(out, (uint64_t)magnitude);
        memcpy(out + len, ".0", 3);
        return len + 2;
    }
    if (magnitude < 1e-4 || magnitude >= 1e9)
        return 0;
    /* Below 10^15 the product is too exact to be rounded to a neighbour of the right integer. */
    scaled = (uint64_t)(int64_t)(magnitude * powers[PLACES] + 0.5);
    if ((double)(int64_t)scaled / powers[PLACES] != magnitude)
        return 0;
    len = decimal_uint(out, scaled / SIX_DIGITS);
    out[len++] = '.';
    decimal_pair(out + len, (unsigned)(scaled / 10000 % 100));
    decimal_pair(out + len + 2, (unsigned)(scaled / 100 % 100));
    decimal_pair(out + len + 4, (unsigned)(scaled % 100));
    len += PLACES;
    while (out[len - 1] == '0')
        len--;
    out[len] = '\0';
    return len;
}

/* A double in scientific form: digits d.ddd as an integer's text, and the decimal exponent. */
struct scientific {
    char digits[24];
    size_t count;
    int exponent;
};

static void read_digits(struct scientific *d, double magnitude, int precision)
{
    char text[40];
    const char *e;

    (void)snprintf(text, sizeof(text), "%.*e", precision - 1, magnitude);
    e = strchr(text, 'e');
    assert(e != NULL);
    d->count = 0;
    for (const char *at = text; at < e; at++)
        if (*at >= '0' && *at <= '9')
            d->digits[d->count++] = *at;
    d->exponent = atoi(e + 1);
}

static double value_of(const struct scientific *d)
{
    char text[48];

    (void)snprintf(text, sizeof(text), "%.1s.%.*se%d", d->digits, (int)d->count - 1, d->digits + 1,
                   d->exponent);
    return strtod(text, NULL);
}

/* One unit more in the last place. */
static void step_up(struct scientific *d)
{
    size_t at = d->count;

    while (at > 0 && d->digits[at - 1] == '9')
        d->digits[--at] = '0';
    if (at > 0) {
        d->digits[at - 1]++;
    } else {
        d->digits[0] = '1';
        d->exponent++;
    }
}

/*
 * The fewest digits, but at least `precision`, that read back as the same double. If any text of a
 * length reads back, the correctly rounded one does, because it is nearest. The exception is a
 * power of two: the gap below it is half the gap above, so only the next text up may read back.
 */
static void search(struct scientific *d, double magnitude, int precision)
{
    int exponent;
    const bool power_of_two = frexp(magnitude, &exponent) == 0.5;

    for (; precision <= 17; precision++) {
        /*
         * Most numbers that people or programs write are short; most results of arithmetic are not.
         */
        if (precision == 8) {
            read_digits(d, magnitude, 14);
            if (value_of(d) != magnitude)
                precision = 15;
        }
        read_digits(d, magnitude, precision);
        if (value_of(d) == magnitude)
            return;
        if (power_of_two) {
            step_up(d);
            if (value_of(d) == magnitude)
                return;
        }
    }
    /* 17 digits identify every double (IEEE 754-2019, 5.12.2). */
    assert(!"unreachable");
}

/*
 * Finds the text of at most CERTAIN_DIGITS digits that stands for the value, if there is one: N and
 * 10^k are exact, so their quotient is what the text reads back as. 1e-7 <= magnitude < 1e15.
 */
static bool find_certain(struct scientific *d, double magnitude)
{
    size_t places = 0;
    uint64_t scaled;

    while (magnitude * powers[places] < powers[CERTAIN_DIGITS - 1])
        places++;
    scaled = (uint64_t)(int64_t)(magnitude * powers[places] + 0.5);
    if ((double)(int64_t)scaled / powers[places] != magnitude)
        return false;
    d->count = decimal_uint(d->digits, scaled);
    d->exponent = (int)d->count - 1 - (int)places;
    return true;
}

static void shortest(struct scientific *d, double magnitude)
{
    if (magnitude < 1e-7 || magnitude >= 1e15)
        search(d, magnitude, 1);
    else if (!find_certain(d, magnitude))
        search(d, magnitude, CERTAIN_DIGITS + 1);
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

/* 0.00ddd, ddd.ddd or ddd000.0, and a NUL that the length leaves out. */
static size_t write_positional(char *out, const struct scientific *d)
{
    const size_t whole = d->exponent < 0 ? 0 : (size_t)d->exponent + 1;
    const size_t given = d->count < whole ? d->count : whole;
    char *to = out;

    if (whole == 0) {
        to = mempcpy(to, "0.000", (size_t)(1 - d->exponent));
    } else {
        to = mempcpy(to, d->digits, given);
        to = mempcpy(to, "000000000000000", whole - given);
        *to++ = '.';
    }
    if (d->count > whole)
        to = mempcpy(to, d->digits + whole, d->count - whole);
    else
        *to++ = '0';
    *to = '\0';
    return (size_t)(to - out);
}

/* d.dde-05: at least two digits of exponent, as printf writes them. */
static size_t write_scientific(char *out, const struct scientific *d)
{
    const unsigned exponent = (unsigned)abs(d->exponent);
    char *to = out;

    *to++ = d->digits[0];
    if (d->count > 1) {
        *to++ = '.';
        to = mempcpy(to, d->digits + 1, d->count - 1);
    }
    *to++ = 'e';
    *to++ = d->exponent < 0 ? '-' : '+';
    if (exponent >= 100)
        *to++ = (char)('0' + exponent / 100);
    decimal_pair(to, exponent % 100);
    to[2] = '\0';
    return (size_t)(to + 2 - out);
}

/* Positional from 1e-04 up to below 1e+16, as Python writes floats. */
static size_t write_digits(char *out, const struct scientific *d)
{
    enum { POSITIONAL_MIN = -4, POSITIONAL_MAX = 16 };

    return d->exponent >= POSITIONAL_MIN && d->exponent < POSITIONAL_MAX ? write_positional(out, d)
                                                                         : write_scientific(out, d);
}

size_t decimal_double(char *out, double value)
{
    const double magnitude = fabs(value);
    const size_t sign = signbit(value) ? 1 : 0;
    struct scientific d;
    size_t len;

    assert(isfinite(value));
    out[0] = '-';
    out += sign;
    len = write_short(out, magnitude);
    if (len > 0)
        return sign + len;
    shortest(&d, magnitude);
    return sign + write_digits(out, &d);
}
