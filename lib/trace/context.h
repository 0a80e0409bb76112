/*
 * W3C Trace Context level 2: the traceparent and tracestate headers, parsed and written.
 * Parsers are pure and never read past the length given.
 */
#ifndef LIB_TRACE_CONTEXT_H
#define LIB_TRACE_CONTEXT_H

#include "lib/base/ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_CONTEXT_SAMPLED = 0x01, /* section 3.2.2.5.1 */
    TRACE_CONTEXT_RANDOM = 0x02,  /* section 3.2.2.5.2 */
    TRACE_CONTEXT_WIRE = 0x03,    /* the flags that traceparent has */
    /* Our own and of other formats, never in a traceparent or a span's line. */
    TRACE_CONTEXT_PASSED_ON = 0x20, /* the caller's, not a span's of ours (span_pass_on) */
    TRACE_CONTEXT_DEFERRED = 0x40,  /* the caller leaves the decision on sampling to us */
    TRACE_CONTEXT_DEBUG = 0x80,     /* B3's and Jaeger's debug flag, passed on whatever we decide */
    TRACE_CONTEXT_PARENT_SIZE = 56,
    TRACE_CONTEXT_STATE_MAX = 512,       /* bytes of tracestate that are propagated (3.3.1.5) */
    TRACE_CONTEXT_STATE_MEMBERS_MAX = 32 /* section 3.3.1.1 */
};

/* A span's place in a trace, as it travels between processes. */
struct trace_context {
    struct trace_id trace_id;
    struct span_id span_id;
    uint8_t flags;                           /* of the flags above, others zero */
    char state[TRACE_CONTEXT_STATE_MAX + 1]; /* tracestate as propagated, "" for none */
};

/*
 * Reads a request's headers into *out: each is `len` bytes, or NULL if the request has none.
 * Returns 0, or -1 if there is no valid traceparent: then *out is unspecified and the caller starts
 * a new trace. A bad tracestate is dropped and never affects traceparent (section 3.3.1). Several
 * traceparent headers, which servers join with a comma, count as invalid.
 */
int trace_context_parse(struct trace_context *out, const char *traceparent, size_t parent_len,
                        const char *tracestate, size_t state_len);

/* Writes `context` as a version 00 traceparent and a NUL: what a callee of ours receives. */
void trace_context_format(char out[TRACE_CONTEXT_PARENT_SIZE], const struct trace_context *context);

/*
 * Checks and normalises a tracestate list of `len` bytes into `out`: whitespace around members,
 * empty members and later members of the same key go. Of a list longer than TRACE_CONTEXT_STATE_MAX
 * those of more than 128 characters go first, then those at its end. Returns the length written, or
 * 0 and "" if it is empty, malformed or has more than 32 members.
 */
size_t trace_context_parse_state(char out[TRACE_CONTEXT_STATE_MAX + 1], const char *text,
                                 size_t len);

#endif
