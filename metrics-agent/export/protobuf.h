/*
 * The wire format of protobuf (protobuf.dev, "Encoding"), as much as OTLP needs: writing fields
 * into a buffer, and finding one in a message that a peer sent. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_PROTOBUF_H
#define METRICS_AGENT_EXPORT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protobuf_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2, /* strings and messages too */
    PROTOBUF_FIXED32 = 5,
};

/* A message being written into the caller's `cap` bytes. */
struct protobuf {
    unsigned char *bytes;
    size_t cap, len;
};

/* Each of these returns false if there is no room. */
bool protobuf_put(struct protobuf *message, const void *bytes, size_t len);
bool protobuf_put_varint(struct protobuf *message, uint64_t value);
bool protobuf_put_fixed(struct protobuf *message, uint64_t value, size_t len); /* little-endian */
bool protobuf_put_tag(struct protobuf *message, unsigned field, enum protobuf_type type);

/*
 * Begins a field of type PROTOBUF_BYTES whose length is known only at its end; *start is for
 * protobuf_close, which writes the length in front of what was put since.
 */
bool protobuf_open(struct protobuf *message, unsigned field, size_t *start);
bool protobuf_close(struct protobuf *message, size_t start);

/*
 * Finds the last field number `field` of `type` in the `len` bytes of a message: *value is its
 * varint, or the length of its bytes at *bytes. False if there is none, or if the message is
 * damaged.
 */
bool protobuf_find(const unsigned char *message, size_t len, unsigned field,
                   enum protobuf_type type, const unsigned char **bytes, uint64_t *value);

#endif
