/*
 * Identifiers: W3C/OpenTelemetry trace and span ids, and UUIDs for requests and instances.
 * All come from the kernel's random generator, read in blocks; a fork is noticed, so that parent
 * and child never hand out the same id.
 */
#ifndef LIB_BASE_IDS_H
#define LIB_BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IDS_TRACE_HEX = 32,
    IDS_SPAN_HEX = 16,
    IDS_UUID_TEXT = 36,
};

struct trace_id {
    uint8_t bytes[16];
};

struct span_id {
    uint8_t bytes[8];
};

/* A new random id, never all zero (W3C Trace Context level 2, sections 3.2.2.3 and 3.2.2.4). */
struct trace_id ids_new_trace(void);
struct span_id ids_new_span(void);

/* A new UUID version 4 as lower-case text and a NUL (RFC 9562, section 5.4). */
void ids_new_uuid4(char out[IDS_UUID_TEXT + 1]);

/* 64 uniformly random bits. */
uint64_t ids_random64(void);

bool ids_trace_is_zero(const struct trace_id *id);
bool ids_span_is_zero(const struct span_id *id);

/* Writes 2 * len lower-case hexadecimal digits to `out`, without a NUL. Returns their end. */
char *ids_to_hex(char *out, const uint8_t *bytes, size_t len);

/*
 * Reads 2 * len lower-case hexadecimal digits. Returns 0, or -1 at any other character, then
 * `bytes` is unspecified. Upper case is refused, as Trace Context section 3.2.1 asks.
 */
int ids_from_hex(uint8_t *bytes, const char *hex, size_t len);

#endif
