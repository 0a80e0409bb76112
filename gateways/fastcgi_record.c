#include "gateways/fastcgi_record.h"

#include <string.h>

enum { VERSION = 1 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum fastcgi_result fastcgi_cursor_next(struct fastcgi_cursor *cursor, const uint8_t *bytes,
                                        size_t size, struct fastcgi_piece *piece)
{
    const uint8_t *at = bytes;
    size_t left = size, padding;

    piece->first = !cursor->inside;
    if (!cursor->inside) {
        if (size > 0 && bytes[0] != VERSION)
            return FASTCGI_BAD;
        if (size < FASTCGI_HEADER_SIZE)
            return FASTCGI_PARTIAL;
        cursor->type = at[1];
        cursor->id = (uint16_t)(at[2] << 8 | at[3]);
        cursor->length = cursor->content_left = (uint16_t)(at[4] << 8 | at[5]);
        cursor->padding_left = at[6];
        cursor->inside = true;
        at += FASTCGI_HEADER_SIZE;
        left -= FASTCGI_HEADER_SIZE;
    } else if (size == 0) {
        return FASTCGI_PARTIAL;
    }
    piece->type = cursor->type;
    piece->id = cursor->id;
    piece->length = cursor->length;
    piece->bytes = bytes;
    piece->content = at;
    piece->content_size = least(left, cursor->content_left);
    padding = least(left - piece->content_size, cursor->padding_left);
    cursor->content_left = (uint16_t)(cursor->content_left - piece->content_size);
    cursor->padding_left = (uint8_t)(cursor->padding_left - padding);
    piece->size = (size_t)(at - bytes) + piece->content_size + padding;
    piece->last = cursor->content_left == 0 && cursor->padding_left == 0;
    cursor->inside = !piece->last;
    return FASTCGI_PIECE;
}

void fastcgi_header_write(uint8_t out[FASTCGI_HEADER_SIZE], enum fastcgi_type type, uint16_t id,
                          uint16_t content_length, uint8_t padding_length)
{
    out[0] = VERSION;
    out[1] = (uint8_t)type;
    out[2] = (uint8_t)(id >> 8);
    out[3] = (uint8_t)id;
    out[4] = (uint8_t)(content_length >> 8);
    out[5] = (uint8_t)content_length;
    out[6] = padding_length;
    out[7] = 0;
}

void fastcgi_end_write(uint8_t out[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE], uint16_t id,
                       uint32_t app_status, enum fastcgi_protocol_status status)
{
    uint8_t *const body = out + FASTCGI_HEADER_SIZE;

    fastcgi_header_write(out, FASTCGI_END_REQUEST, id, FASTCGI_BODY_SIZE, 0);
    memset(body, 0, FASTCGI_BODY_SIZE);
    for (int i = 0; i < 4; i++)
        body[i] = (uint8_t)(app_status >> (24 - 8 * i));
    body[4] = (uint8_t)status;
}
