#include "lib/trace/propagation.h"

#include "lib/base/text.h"
#include "lib/trace/baggage.h"

#include <string.h>
#include <strings.h>

enum {
    BITS = 4, /* of a format in a set */
    B3_SINGLE_SIZE = IDS_TRACE_HEX + IDS_SPAN_HEX + 4,
    B3_SHORT_HEX = 16, /* a trace id of 64 bits */
    UBER_SIZE = IDS_TRACE_HEX + IDS_SPAN_HEX + 8,
    UBER_MAX = 256, /* bytes of a value that is read at all */
    UBER_SAMPLED = 0x01,
    UBER_DEBUG = 0x02,
};

/* What a format asks about sampling. */
static const uint8_t FLAGS_DEBUG = TRACE_CONTEXT_SAMPLED | TRACE_CONTEXT_DEBUG;

static const struct {
    const char *name;
    enum propagation_format format;
} names[] = {
    {"tracecontext", PROPAGATION_TRACECONTEXT},
    {"baggage", PROPAGATION_BAGGAGE},
    {"b3", PROPAGATION_B3},
    {"b3multi", PROPAGATION_B3MULTI},
    {"jaeger", PROPAGATION_JAEGER},
};

static bool is(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

bool propagation_has(unsigned set, enum propagation_format format)
{
    for (; set != 0; set >>= BITS)
        if ((set & ((1U << BITS) - 1)) == format)
            return true;
    return false;
}

/* Appends the format that `text` names; false if it is unknown. */
static bool add(unsigned *set, unsigned *count, const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!is(names[i].name, text, length))
            continue;
        if (!propagation_has(*set, names[i].format))
            *set |= (unsigned)names[i].format << (BITS * (*count)++);
        return true;
    }
    return false;
}

const char *propagation_parse(unsigned *set, const char *value)
{
    static const unsigned fallback = PROPAGATION_TRACECONTEXT | PROPAGATION_BAGGAGE << BITS;
    unsigned count = 0, unknown = 0;
    bool none = false;

    *set = 0;
    for (const char *at = value != NULL ? value : ""; *at != '\0';) {
        const char *end = at + strcspn(at, ",");
        const char *next = *end != '\0' ? end + 1 : end;

        at += strspn(at, " \t");
        while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (end > at && is("none", at, (size_t)(end - at)))
            none = true;
        else if (end > at)
            unknown += !add(set, &count, at, (size_t)(end - at));
        at = next;
    }
    if (none) {
        *set = 0;
        return count + unknown > 0 ? "OTEL_PROPAGATORS has none beside other names: none is used"
                                   : NULL;
    }
    if (count == 0)
        *set = fallback;
    if (unknown == 0)
        return NULL;
    return count > 0 ? "OTEL_PROPAGATORS names unknown propagators, which are ignored; known are "
                       "tracecontext, baggage, b3, b3multi, jaeger and none"
                     : "OTEL_PROPAGATORS names no known propagator: tracecontext,baggage is used";
}

static size_t length_of(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

static bool extract_tracecontext(const struct propagation_carrier *in, struct trace_context *out)
{
    return trace_context_parse(out, in->traceparent, length_of(in->traceparent), in->tracestate,
                               length_of(in->tracestate)) == 0;
}

/* --- B3 (openzipkin/b3-propagation) ---------------------------------------------------------- */

/* 32 or 16 lower-case digits; the short form is the right half of a long one. */
static bool b3_trace(struct trace_id *id, const char *text, size_t length)
{
    const size_t bytes = length / 2;

    if (length != IDS_TRACE_HEX && length != B3_SHORT_HEX)
        return false;
    memset(id->bytes, 0, sizeof(id->bytes));
    return ids_from_hex(id->bytes + sizeof(id->bytes) - bytes, text, bytes) == 0 &&
           !ids_trace_is_zero(id);
}

static bool b3_span(struct span_id *id, const char *text, size_t length)
{
    return length == IDS_SPAN_HEX && ids_from_hex(id->bytes, text, sizeof(id->bytes)) == 0 &&
           !ids_span_is_zero(id);
}

/* The sampling state of the single header: one character. */
static bool b3_state(uint8_t *flags, char state)
{
    switch (state) {
    case '0':
        *flags = 0;
        return true;
    case '1':
        *flags = TRACE_CONTEXT_SAMPLED;
        return true;
    case 'd':
        *flags = FLAGS_DEBUG;
        return true;
    default:
        return false;
    }
}

/* {trace}-{span}[-{state}[-{parent}]]; the parent must be well-formed and is otherwise ignored. */
static bool extract_b3_single(const char *text, struct trace_context *out)
{
    const size_t trace_length = strcspn(text, "-");
    const char *span = text + trace_length + 1, *state;
    struct span_id parent;

    out->state[0] = '\0';
    out->flags = TRACE_CONTEXT_DEFERRED;
    if (!b3_trace(&out->trace_id, text, trace_length) || text[trace_length] != '-' ||
        !b3_span(&out->span_id, span, strcspn(span, "-")))
        return false;
    state = span + IDS_SPAN_HEX;
    if (state[0] == '\0')
        return true;
    if (!b3_state(&out->flags, state[1]))
        return false;
    if (state[2] == '\0')
        return true;
    return state[2] == '-' && b3_span(&parent, state + 3, strlen(state + 3));
}

/* X-B3-Flags: 1 is debug and implies sampled; true and false are what some old senders write. */
static uint8_t b3_decision(const struct propagation_carrier *in)
{
    if (in->b3_flags != NULL && strcmp(in->b3_flags, "1") == 0)
        return FLAGS_DEBUG;
    if (in->b3_sampled == NULL)
        return TRACE_CONTEXT_DEFERRED;
    if (strcmp(in->b3_sampled, "1") == 0 || strcasecmp(in->b3_sampled, "true") == 0)
        return TRACE_CONTEXT_SAMPLED;
    if (strcmp(in->b3_sampled, "0") == 0 || strcasecmp(in->b3_sampled, "false") == 0)
        return 0;
    return TRACE_CONTEXT_DEFERRED;
}

static bool extract_b3(const struct propagation_carrier *in, struct trace_context *out)
{
    if (in->b3 != NULL && extract_b3_single(in->b3, out))
        return true;
    if (in->b3_trace_id == NULL || in->b3_span_id == NULL)
        return false;
    out->state[0] = '\0';
    out->flags = b3_decision(in);
    return b3_trace(&out->trace_id, in->b3_trace_id, strlen(in->b3_trace_id)) &&
           b3_span(&out->span_id, in->b3_span_id, strlen(in->b3_span_id));
}

/* What B3 asks of a trace that has not begun yet. */
static uint8_t b3_wish(const struct propagation_carrier *in)
{
    uint8_t flags;

    if (in->b3 != NULL && in->b3[0] != '\0' && in->b3[1] == '\0' && b3_state(&flags, in->b3[0]))
        return flags;
    return b3_decision(in);
}

/* --- Jaeger (jaegertracing.io, "Propagation Format") ----------------------------------------- */

/*
 * Reads 1 to 2 * size digits of either case, padded with zeros on the left, and the colon or the
 * end behind them. Returns what follows, or NULL.
 */
static const char *uber_field(uint8_t *bytes, size_t size, const char *text)
{
    size_t digits = 0;

    while (text_hex_digit(text[digits]) >= 0)
        digits++;
    if (digits == 0 || digits > 2 * size)
        return NULL;
    memset(bytes, 0, size);
    for (size_t i = 0; i < digits; i++) {
        const size_t place = digits - 1 - i; /* from the right */

        bytes[size - 1 - place / 2] |= (uint8_t)(text_hex_digit(text[i]) << (place % 2 * 4));
    }
    text += digits;
    if (*text == '\0')
        return text;
    return *text == ':' ? text + 1 : NULL;
}

/* Copies `text` with its colons plain, whether they were sent as %3A or not; false if too long. */
static bool uber_decode(char out[UBER_MAX], const char *text)
{
    size_t length = 0;

    while (*text != '\0') {
        if (length == UBER_MAX - 1)
            return false;
        if (strncasecmp(text, "%3a", 3) == 0) {
            out[length++] = ':';
            text += 3;
        } else {
            out[length++] = *text++;
        }
    }
    out[length] = '\0';
    return true;
}

/* {trace}:{span}:{parent}:{flags}; the parent is deprecated and ignored. */
static bool extract_jaeger(const struct propagation_carrier *in, struct trace_context *out)
{
    char text[UBER_MAX];
    const char *at = text;
    struct span_id parent;
    uint8_t flags;

    if (in->uber_trace_id == NULL || !uber_decode(text, in->uber_trace_id) ||
        strlen(text) - strcspn(text, ":") < sizeof(":0:0:0") - 1)
        return false;
    at = uber_field(out->trace_id.bytes, sizeof(out->trace_id.bytes), at);
    at = at != NULL ? uber_field(out->span_id.bytes, sizeof(out->span_id.bytes), at) : NULL;
    at = at != NULL ? uber_field(parent.bytes, sizeof(parent.bytes), at) : NULL;
    at = at != NULL ? uber_field(&flags, sizeof(flags), at) : NULL;
    if (at == NULL || at[0] != '\0' || at[-1] == ':')
        return false;
    out->state[0] = '\0';
    out->flags = 0;
    if ((flags & UBER_SAMPLED) != 0)
        out->flags = (flags & UBER_DEBUG) != 0 ? FLAGS_DEBUG : TRACE_CONTEXT_SAMPLED;
    return !ids_trace_is_zero(&out->trace_id) && !ids_span_is_zero(&out->span_id);
}

/* --- All of them ------------------------------------------------------------------------------ */

static bool extract_one(enum propagation_format format, const struct propagation_carrier *in,
                        struct trace_context *out)
{
    switch (format) {
    case PROPAGATION_TRACECONTEXT:
        return extract_tracecontext(in, out);
    case PROPAGATION_B3:
    case PROPAGATION_B3MULTI:
        return extract_b3(in, out);
    case PROPAGATION_JAEGER:
        return extract_jaeger(in, out);
    case PROPAGATION_BAGGAGE:
        break;
    }
    return false;
}

static bool same_span(const struct trace_context *a, const struct trace_context *b)
{
    return memcmp(&a->trace_id, &b->trace_id, sizeof(a->trace_id)) == 0 &&
           memcmp(&a->span_id, &b->span_id, sizeof(a->span_id)) == 0;
}

bool propagation_extract(unsigned set, const struct propagation_carrier *in,
                         struct trace_context *out)
{
    struct trace_context one;
    bool found = false;

    memset(out, 0, sizeof(*out));
    for (unsigned left = set; left != 0; left >>= BITS) {
        if (!extract_one(left & ((1U << BITS) - 1), in, &one))
            continue;
        if (found && same_span(&one, out)) {
            memcpy(one.state, out->state, sizeof(one.state));
            one.flags |= out->flags & TRACE_CONTEXT_RANDOM;
        }
        *out = one;
        found = true;
    }
    if (found)
        return true;
    out->flags = TRACE_CONTEXT_DEFERRED;
    if (propagation_has(set, PROPAGATION_B3) || propagation_has(set, PROPAGATION_B3MULTI))
        out->flags = b3_wish(in);
    return false;
}

struct writer {
    void (*put)(void *to, const char *name, const char *value);
    void *to;
    int count;
};

static void put(struct writer *w, const char *name, const char *value)
{
    w->put(w->to, name, value);
    w->count++;
}

static void inject_tracecontext(struct writer *w, const struct trace_context *context)
{
    char parent[TRACE_CONTEXT_PARENT_SIZE];

    trace_context_format(parent, context);
    put(w, "traceparent", parent);
    if (context->state[0] != '\0')
        put(w, "tracestate", context->state);
}

struct hex_ids {
    char trace[IDS_TRACE_HEX + 1];
    char span[IDS_SPAN_HEX + 1];
};

static struct hex_ids hex_ids(const struct trace_context *context)
{
    struct hex_ids ids = {{0}, {0}};

    ids_to_hex(ids.trace, context->trace_id.bytes, sizeof(context->trace_id.bytes));
    ids_to_hex(ids.span, context->span_id.bytes, sizeof(context->span_id.bytes));
    return ids;
}

static const char *b3_state_of(const struct trace_context *context)
{
    if ((context->flags & TRACE_CONTEXT_DEBUG) != 0)
        return "d";
    return (context->flags & TRACE_CONTEXT_SAMPLED) != 0 ? "1" : "0";
}

/* Without the parent's id, which OpenTelemetry forbids to send ("B3 Requirements"). */
static void inject_b3(struct writer *w, const struct trace_context *context)
{
    const struct hex_ids ids = hex_ids(context);
    char text[B3_SINGLE_SIZE];

    (void)stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(text, ids.trace), "-"), ids.span), "-"),
                 b3_state_of(context));
    put(w, "b3", text);
}

static void inject_b3multi(struct writer *w, const struct trace_context *context)
{
    const struct hex_ids ids = hex_ids(context);

    put(w, "X-B3-TraceId", ids.trace);
    put(w, "X-B3-SpanId", ids.span);
    /* Debug implies sampled, which is therefore not sent. */
    if ((context->flags & TRACE_CONTEXT_DEBUG) != 0)
        put(w, "X-B3-Flags", "1");
    else
        put(w, "X-B3-Sampled", b3_state_of(context));
}

static void inject_jaeger(struct writer *w, const struct trace_context *context)
{
    const struct hex_ids ids = hex_ids(context);
    const char *flags = (context->flags & TRACE_CONTEXT_SAMPLED) != 0 ? ":0:1" : ":0:0";
    char text[UBER_SIZE];

    if ((context->flags & TRACE_CONTEXT_DEBUG) != 0)
        flags = ":0:3";
    (void)stpcpy(stpcpy(stpcpy(stpcpy(text, ids.trace), ":"), ids.span), flags);
    put(w, "uber-trace-id", text);
}

static void inject_baggage(struct writer *w, const char *baggage)
{
    char cut[BAGGAGE_SIZE_MAX + 1];
    const size_t length = baggage != NULL ? baggage_length(baggage) : 0;

    if (length == 0)
        return;
    memcpy(cut, baggage, length);
    cut[length] = '\0';
    put(w, "baggage", cut);
}

int propagation_inject(unsigned set, const struct trace_context *context, const char *baggage,
                       void (*put_one)(void *to, const char *name, const char *value), void *to)
{
    struct writer w = {.put = put_one, .to = to};
    const bool valid =
        !ids_trace_is_zero(&context->trace_id) && !ids_span_is_zero(&context->span_id);

    for (; set != 0; set >>= BITS) {
        const enum propagation_format format = set & ((1U << BITS) - 1);

        if (format == PROPAGATION_BAGGAGE)
            inject_baggage(&w, baggage);
        else if (!valid)
            continue;
        else if (format == PROPAGATION_TRACECONTEXT)
            inject_tracecontext(&w, context);
        else if (format == PROPAGATION_B3)
            inject_b3(&w, context);
        else if (format == PROPAGATION_B3MULTI)
            inject_b3multi(&w, context);
        else if (format == PROPAGATION_JAEGER)
            inject_jaeger(&w, context);
    }
    return w.count;
}
