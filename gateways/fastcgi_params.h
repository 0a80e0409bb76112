/*
 * The name-value pairs of FastCGI 1.0 (specification section 3.4), as PARAMS and GET_VALUES have
 * them. Pure.
 */
#ifndef GATEWAYS_FASTCGI_PARAMS_H
#define GATEWAYS_FASTCGI_PARAMS_H

#include <stddef.h>
#include <stdint.h>

enum { FASTCGI_LENGTHS_MAX = 8 }; /* bytes before a pair's name: two lengths of up to four */

struct fastcgi_pair {
    const char *name, *value; /* borrowed, not NUL-terminated */
    size_t name_size, value_size;
    size_t size; /* bytes of the whole pair */
};

/*
 * Reads the pair at the front of `size` bytes. Returns 0, or -1 if they end before it does; an
 * empty stretch has none.
 */
int fastcgi_pair_read(struct fastcgi_pair *pair, const uint8_t *bytes, size_t size);

/*
 * Writes the lengths of a pair, whose name and value are to follow. Both are below 2 GiB. Returns
 * the bytes written.
 */
size_t fastcgi_pair_write_lengths(uint8_t out[FASTCGI_LENGTHS_MAX], size_t name_size,
                                  size_t value_size);

#endif
