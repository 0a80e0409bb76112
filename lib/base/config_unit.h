/*
 * Sizes and times as people write them: a number, and a unit behind it or none.
 */
#ifndef LIB_BASE_CONFIG_UNIT_H
#define LIB_BASE_CONFIG_UNIT_H

#include <stddef.h>
#include <stdint.h>

/* What a bare number of a setting means, and which units it takes besides. */
enum config_unit {
    CONFIG_UNIT_NONE, /* a number and no unit */
    CONFIG_UNIT_BYTES,
    CONFIG_UNIT_MS,
    CONFIG_UNIT_S,
    CONFIG_UNITS,
};

/*
 * Reads the `len` bytes at `text`: decimal digits, at most 9 more after a point if a unit follows,
 * and a unit or none. Sizes: B, and K, M, G, T for powers of 1024, also written KB or KiB, in any
 * case of letters. Times: us, ms, s, m, h, d.
 *
 * The amount is in parts of the setting's own unit, of which config_unit_parts says how many there
 * are: bytes, or microseconds for the times. Returns 0, or -1 if it can't be read.
 */
int config_unit_parse(enum config_unit unit, const char *text, size_t len, uint64_t *amount);

uint64_t config_unit_parts(enum config_unit unit);

#endif
