/*
 * The records of FastCGI 1.0 (specification sections 3.3 and 8), from a stream of bytes and into
 * one. Pure: nothing is kept but the place within a record, so a stream may be cut anywhere.
 */
#ifndef GATEWAYS_FASTCGI_RECORD_H
#define GATEWAYS_FASTCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FASTCGI_HEADER_SIZE = 8,
    FASTCGI_CONTENT_MAX = 65535,
    FASTCGI_BODY_SIZE = 8, /* of BEGIN_REQUEST, END_REQUEST and UNKNOWN_TYPE */
};

enum fastcgi_type {
    FASTCGI_BEGIN_REQUEST = 1,
    FASTCGI_ABORT_REQUEST = 2,
    FASTCGI_END_REQUEST = 3,
    FASTCGI_PARAMS = 4,
    FASTCGI_STDIN = 5,
    FASTCGI_STDOUT = 6,
    FASTCGI_STDERR = 7,
    FASTCGI_DATA = 8,
    FASTCGI_GET_VALUES = 9,
    FASTCGI_GET_VALUES_RESULT = 10,
    FASTCGI_UNKNOWN_TYPE = 11,
};

/* Roles of BEGIN_REQUEST. */
enum fastcgi_role { FASTCGI_RESPONDER = 1, FASTCGI_AUTHORIZER = 2, FASTCGI_FILTER = 3 };

/* Flags of BEGIN_REQUEST. */
enum { FASTCGI_KEEP_CONN = 1 };

/* protocolStatus of END_REQUEST. */
enum fastcgi_protocol_status {
    FASTCGI_REQUEST_COMPLETE = 0,
    FASTCGI_CANT_MPX_CONN = 1,
    FASTCGI_OVERLOADED = 2,
    FASTCGI_UNKNOWN_ROLE = 3,
};

/* The place in a stream; all zero at its start. */
struct fastcgi_cursor {
    uint8_t type;
    uint16_t id;
    uint16_t length;       /* bytes of content that the record has */
    uint16_t content_left; /* of them still to come */
    uint8_t padding_left;
    bool inside; /* the header was read, the record has not ended */
};

/* A stretch of one record. */
struct fastcgi_piece {
    uint8_t type;
    uint16_t id;
    uint16_t length;      /* bytes of content of the whole record */
    bool first, last;     /* holds the record's header; its last byte */
    const uint8_t *bytes; /* as they came: header, content and padding */
    size_t size;
    const uint8_t *content; /* the content among them */
    size_t content_size;
};

enum fastcgi_result {
    FASTCGI_PIECE,
    FASTCGI_PARTIAL, /* the bytes end within a header: give them again, with those that follow */
    FASTCGI_BAD,     /* no FastCGI 1.0 */
};

/*
 * Takes the next piece off the front of the `size` bytes at `bytes`: as much of one record as is
 * there. Of FASTCGI_PIECE the caller goes on behind piece->size bytes; it is never 0.
 * FASTCGI_PARTIAL takes nothing, and only ever leaves less than FASTCGI_HEADER_SIZE bytes.
 */
enum fastcgi_result fastcgi_cursor_next(struct fastcgi_cursor *cursor, const uint8_t *bytes,
                                        size_t size, struct fastcgi_piece *piece);

/* Writes a record's header. */
void fastcgi_header_write(uint8_t out[FASTCGI_HEADER_SIZE], enum fastcgi_type type, uint16_t id,
                          uint16_t content_length, uint8_t padding_length);

/* Writes an END_REQUEST record. */
void fastcgi_end_write(uint8_t out[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE], uint16_t id,
                       uint32_t app_status, enum fastcgi_protocol_status status);

#endif
