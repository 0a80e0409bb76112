#include "gateways/fastcgi_params.h"

enum { LONG = 0x80 }; /* a length of four bytes; those below need one */

/* Returns the bytes that the length takes, 0 if they are not all there. */
static size_t read_length(size_t *length, const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (bytes[0] < LONG) {
        *length = bytes[0];
        return 1;
    }
    if (size < 4)
        return 0;
    *length = (size_t)(bytes[0] & ~LONG) << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 |
              bytes[3];
    return 4;
}

int fastcgi_pair_read(struct fastcgi_pair *pair, const uint8_t *bytes, size_t size)
{
    const size_t first = read_length(&pair->name_size, bytes, size);
    const size_t second =
        first == 0 ? 0 : read_length(&pair->value_size, bytes + first, size - first);
    const size_t head = first + second;

    if (second == 0 || pair->name_size > size - head ||
        pair->value_size > size - head - pair->name_size)
        return -1;
    pair->name = (const char *)bytes + head;
    pair->value = pair->name + pair->name_size;
    pair->size = head + pair->name_size + pair->value_size;
    return 0;
}

static size_t write_length(uint8_t *out, size_t length)
{
    if (length < LONG) {
        out[0] = (uint8_t)length;
        return 1;
    }
    out[0] = (uint8_t)(LONG | length >> 24);
    out[1] = (uint8_t)(length >> 16);
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
    return 4;
}

size_t fastcgi_pair_write_lengths(uint8_t out[FASTCGI_LENGTHS_MAX], size_t name_size,
                                  size_t value_size)
{
    const size_t first = write_length(out, name_size);

    return first + write_length(out + first, value_size);
}
