#include "metrics-agent/export/protobuf.h"

#include <string.h>

enum { VARINT_MAX = 10, TYPE_BITS = 3, TYPE_MASK = 7 };

bool protobuf_put(struct protobuf *message, const void *bytes, size_t len)
{
    if (len > message->cap - message->len)
        return false;
    memcpy(message->bytes + message->len, bytes, len);
    message->len += len;
    return true;
}

static size_t varint(unsigned char bytes[VARINT_MAX], uint64_t value)
{
    size_t len = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (unsigned char)(value | 0x80);
    bytes[len++] = (unsigned char)value;
    return len;
}

bool protobuf_put_varint(struct protobuf *message, uint64_t value)
{
    unsigned char bytes[VARINT_MAX];

    return protobuf_put(message, bytes, varint(bytes, value));
}

bool protobuf_put_fixed(struct protobuf *message, uint64_t value, size_t len)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    return protobuf_put(message, bytes, len);
}

bool protobuf_put_tag(struct protobuf *message, unsigned field, enum protobuf_type type)
{
    return protobuf_put_varint(message, (uint64_t)field << TYPE_BITS | type);
}

/* One byte is kept free for the length; few fields need more, and those are moved once. */
bool protobuf_open(struct protobuf *message, unsigned field, size_t *start)
{
    if (!protobuf_put_tag(message, field, PROTOBUF_BYTES) || !protobuf_put(message, "", 1))
        return false;
    *start = message->len;
    return true;
}

bool protobuf_close(struct protobuf *message, size_t start)
{
    unsigned char bytes[VARINT_MAX];
    const size_t len = message->len - start, more = varint(bytes, len) - 1;

    if (more > message->cap - message->len)
        return false;
    if (more > 0)
        memmove(message->bytes + start + more, message->bytes + start, len);
    memcpy(message->bytes + start - 1, bytes, more + 1);
    message->len += more;
    return true;
}

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        const unsigned char byte = *(*at)++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Moves *at over a field's content; *value is its varint or the length of its bytes. */
static bool skip_content(const unsigned char **at, const unsigned char *end, unsigned type,
                         uint64_t *value)
{
    uint64_t len;

    if (type == PROTOBUF_VARINT)
        return read_varint(at, end, value);
    if (type == PROTOBUF_BYTES) {
        if (!read_varint(at, end, &len))
            return false;
    } else if (type == PROTOBUF_FIXED64 || type == PROTOBUF_FIXED32) {
        len = type == PROTOBUF_FIXED64 ? 8 : 4;
    } else {
        return false;
    }
    if (len > (uint64_t)(end - *at))
        return false;
    *at += len;
    *value = len;
    return true;
}

bool protobuf_find(const unsigned char *message, size_t len, unsigned field,
                   enum protobuf_type type, const unsigned char **bytes, uint64_t *value)
{
    const unsigned char *at = message, *const end = message + len;
    bool found = false;

    while (at < end) {
        uint64_t tag, n;

        if (!read_varint(&at, end, &tag) || !skip_content(&at, end, tag & TYPE_MASK, &n))
            return false;
        if (tag != ((uint64_t)field << TYPE_BITS | type))
            continue;
        *bytes = type == PROTOBUF_BYTES ? at - n : at;
        *value = n;
        found = true;
    }
    return found;
}
