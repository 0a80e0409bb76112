/*
 * Trace contexts on the wire, in the formats that OTEL_PROPAGATORS names: W3C Trace Context, W3C
 * Baggage, B3 in one header and in several, Jaeger's uber-trace-id (OpenTelemetry specification,
 * "Propagators API" and "Environment Variable Specification").
 */
#ifndef LIB_TRACE_PROPAGATION_H
#define LIB_TRACE_PROPAGATION_H

#include "lib/trace/context.h"

#include <stdbool.h>

/* A set is a list of these, four bits each, the first in the lowest. 0 is the empty set. */
enum propagation_format {
    PROPAGATION_TRACECONTEXT = 1,
    PROPAGATION_BAGGAGE,
    PROPAGATION_B3,
    PROPAGATION_B3MULTI,
    PROPAGATION_JAEGER,
    PROPAGATION_FORMATS = PROPAGATION_JAEGER,
};

/* A request's header fields, NUL-terminated; NULL if it has none of that name. */
struct propagation_carrier {
    const char *traceparent;
    const char *tracestate;
    const char *b3;
    const char *b3_trace_id; /* X-B3-TraceId */
    const char *b3_span_id;  /* X-B3-SpanId */
    const char *b3_sampled;  /* X-B3-Sampled */
    const char *b3_flags;    /* X-B3-Flags */
    const char *uber_trace_id;
};

/*
 * Reads a value of OTEL_PROPAGATORS: names separated by commas, in any case, blanks around them
 * allowed. NULL, "" and a list without one known name mean tracecontext,baggage; a repeated name
 * counts once; `none` turns all off, whatever else is listed. Returns NULL, or a static text for a
 * warning if names were ignored; *set is usable either way.
 */
const char *propagation_parse(unsigned *set, const char *value);

bool propagation_has(unsigned set, enum propagation_format format);

/*
 * Finds the caller's span. The formats are tried in the order of the list, and each that holds a
 * valid context replaces what was found before; the tracestate stays if the later one names the
 * same span. b3 and b3multi both read both forms, the single header first.
 *
 * Returns true and the caller's context in *out. Its flags may hold TRACE_CONTEXT_DEFERRED: the
 * caller leaves the decision to us. Returns false if no format names a span. Then *out has zero
 * ids, and its flags hold what the caller asks for nevertheless: `b3: 0`, `1` and `d` decide only
 * on sampling. The flags are TRACE_CONTEXT_DEFERRED if it asks for nothing.
 */
bool propagation_extract(unsigned set, const struct propagation_carrier *in,
                         struct trace_context *out);

/*
 * Calls `put` with `to` for each header field that carries `context` to a callee, and for the valid
 * part of `baggage` (the request's own field, or NULL). Names and values are valid during the call.
 * Returns the number of fields. A context without ids is not sent.
 */
int propagation_inject(unsigned set, const struct trace_context *context, const char *baggage,
                       void (*put)(void *to, const char *name, const char *value), void *to);

#endif
