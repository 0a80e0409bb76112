/*
 * Any header fields, one a line, and any list of propagators: what is accepted is valid, and each
 * format reads back what it writes.
 */
#include "lib/trace/baggage.h"
#include "lib/trace/propagation.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <strings.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("tracecontext,baggage\n00-" TRACE "-" SPAN "-01\nfoo=1\n\n\n\n\n\n\na=1;p=2 , b=2"),
    FUZZ_SEED("b3,xray\n\n\n" TRACE "-" SPAN "-d-a3ce929d0e0e4736"),
    FUZZ_SEED("b3\n\n\na3ce929d0e0e4736-" SPAN),
    FUZZ_SEED("b3\n\n\nd"),
    FUZZ_SEED("b3multi\n\n\n\n" TRACE "\n" SPAN "\n1\n1"),
    FUZZ_SEED("jaeger\n\n\n\n\n\n\n\nabc%3A" SPAN "%3a0:3"),
    FUZZ_SEED("tracecontext,b3,jaeger,b3multi,baggage\n00-" TRACE "-" SPAN "-03\nfoo=1\n" TRACE
              "-" SPAN "-1\n\n\n\n\n" TRACE ":" SPAN ":0:1"),
    {NULL, 0},
};

enum { LINES = 10, LINE_MAX_BYTES = 16384 };

/* Hands a line that was put to the member of that name. */
static void put(void *to, const char *name, const char *value)
{
    static char copies[LINES][LINE_MAX_BYTES];
    struct propagation_carrier *in = to;
    const struct {
        const char *name;
        const char **member;
    } members[] = {
        {"traceparent", &in->traceparent},
        {"tracestate", &in->tracestate},
        {"b3", &in->b3},
        {"X-B3-TraceId", &in->b3_trace_id},
        {"X-B3-SpanId", &in->b3_span_id},
        {"X-B3-Sampled", &in->b3_sampled},
        {"X-B3-Flags", &in->b3_flags},
        {"uber-trace-id", &in->uber_trace_id},
    };

    assert(strpbrk(value, "\r\n") == NULL);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(members[i].name, name) != 0)
            continue;
        assert(strlen(value) < LINE_MAX_BYTES);
        *members[i].member = strcpy(copies[i], value);
        return;
    }
    assert(strcmp(name, "baggage") == 0 && baggage_length(value) == strlen(value));
    assert(strlen(value) <= BAGGAGE_SIZE_MAX);
}

static void check_context(const struct trace_context *context)
{
    char state[TRACE_CONTEXT_STATE_MAX + 1];

    assert(!ids_trace_is_zero(&context->trace_id) && !ids_span_is_zero(&context->span_id));
    assert((context->flags &
            ~(TRACE_CONTEXT_WIRE | TRACE_CONTEXT_DEFERRED | TRACE_CONTEXT_DEBUG)) == 0);
    assert((context->flags & TRACE_CONTEXT_DEBUG) == 0 ||
           (context->flags & TRACE_CONTEXT_SAMPLED) != 0);
    assert(trace_context_parse_state(state, context->state, strlen(context->state)) ==
           strlen(context->state));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[LINE_MAX_BYTES];
    char *lines[LINES] = {0}, *rest = text;
    struct trace_context context, again;
    unsigned set;

    if (size >= sizeof(text))
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < LINES && rest != NULL; i++) {
        char *line = strsep(&rest, "\n");

        lines[i] = i > 0 && line[0] == '\0' ? NULL : line;
    }
    (void)propagation_parse(&set, lines[0]);

    const struct propagation_carrier in = {lines[1], lines[2], lines[3], lines[4],
                                           lines[5], lines[6], lines[7], lines[8]};
    struct propagation_carrier out = {0};

    if (!propagation_extract(set, &in, &context)) {
        assert(ids_trace_is_zero(&context.trace_id) && ids_span_is_zero(&context.span_id));
        return 0;
    }
    check_context(&context);
    assert(propagation_inject(set, &context, lines[9], put, &out) >= 1);
    assert(propagation_extract(set, &out, &again));
    check_context(&again);
    assert(memcmp(&again.trace_id, &context.trace_id, sizeof(again.trace_id)) == 0);
    assert(memcmp(&again.span_id, &context.span_id, sizeof(again.span_id)) == 0);
    assert((again.flags & TRACE_CONTEXT_SAMPLED) == (context.flags & TRACE_CONTEXT_SAMPLED));
    return 0;
}
