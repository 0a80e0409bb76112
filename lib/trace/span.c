#include "lib/trace/span.h"

#include "lib/base/clock.h"

#include <assert.h>
#include <string.h>

/* OTLP trace.proto, SpanFlags: "remote" is known, and its value. */
enum {
    FLAG_HAS_IS_REMOTE = 0x100,
    FLAG_IS_REMOTE = 0x200,
};

static const char before_resource[] = "{\"resourceSpans\":[{\"resource\":";
static const char before_scope[] = ",\"scopeSpans\":[{\"scope\":";
static const char before_span[] = ",\"spans\":[";
static const char after_span[] = "]}]}]}\n";

static_assert(sizeof(after_span) - 1 == SPAN_TAIL_SIZE, "what a caller keeps free for the tail");

/* Everything but the context's trace id and sampled flag, and the parent. */
static void begin(struct span *span, const char *name, enum span_kind kind, bool remote)
{
    /* Not an initializer, which would clear the attributes' memory at a cost above all the rest. */
    span->parent_is_remote = remote;
    span->kind = kind;
    span->status = SPAN_STATUS_UNSET;
    span->name = name;
    span->status_message = NULL;
    span->end_ns = 0;
    span->attribute_count = 0;
    span->dropped_attributes = 0;
    span->written_attributes = span->events = (struct span_list){0};
    span->context.span_id = ids_new_span();
    span->start_ns = clock_unix_ns();
}

static void continue_trace(struct span *span, const struct trace_context *parent)
{
    span->context.trace_id = parent->trace_id;
    span->parent = parent->span_id;
    span->context.flags = parent->flags & (TRACE_CONTEXT_RANDOM | TRACE_CONTEXT_DEBUG);
    memcpy(span->context.state, parent->state, strlen(parent->state) + 1);
}

static void set_sampled(struct span *span, bool sampled)
{
    span->recording = sampled;
    if (sampled)
        span->context.flags |= TRACE_CONTEXT_SAMPLED;
}

void span_begin(struct span *span, const char *name, enum span_kind kind,
                const struct trace_context *parent, bool remote, const struct sampler *sampler)
{
    const bool root = parent == NULL || ids_trace_is_zero(&parent->trace_id);

    begin(span, name, kind, remote && !root);
    if (root) {
        span->context.trace_id = ids_new_trace();
        memset(&span->parent, 0, sizeof(span->parent));
        span->context.flags = TRACE_CONTEXT_RANDOM;
        if (parent != NULL)
            span->context.flags |= parent->flags & TRACE_CONTEXT_DEBUG;
        span->context.state[0] = '\0';
    } else {
        continue_trace(span, parent);
    }
    set_sampled(span, sampler != NULL && sampler_decide(sampler, &span->context.trace_id, parent));
}

void span_begin_child(struct span *span, const char *name, enum span_kind kind,
                      const struct span *parent)
{
    begin(span, name, kind, false);
    continue_trace(span, &parent->context);
    set_sampled(span, parent->recording);
}

void span_set(struct span *span, struct attribute attribute)
{
    if (!span->recording)
        return;
    if (span->attribute_count == SPAN_ATTRIBUTES_MAX) {
        span->dropped_attributes++;
        return;
    }
    span->attributes[span->attribute_count++] = attribute;
}

void span_end(struct span *span)
{
    if (span->end_ns != 0)
        return;
    span->end_ns = clock_unix_ns();
    if (span->end_ns < span->start_ns)
        span->end_ns = span->start_ns;
}

static void write_hex(struct json_writer *w, const uint8_t *bytes, size_t len)
{
    char hex[IDS_TRACE_HEX];

    ids_to_hex(hex, bytes, len);
    json_writer_bytes(w, hex, 2 * len);
}

static void write_status(struct json_writer *w, const struct span *span)
{
    json_writer_literal(w, ",\"status\":{", false);
    if (span->status_message != NULL) {
        json_writer_key(w, "message");
        json_writer_string(w, span->status_message);
    }
    if (span->status != SPAN_STATUS_UNSET) {
        json_writer_key(w, "code");
        json_writer_uint(w, span->status);
    }
    json_writer_literal(w, "}", true);
}

static void write_list(struct json_writer *w, const struct span_list *list)
{
    if (list->length > 0)
        json_writer_raw_value(w, list->json, list->length);
}

static void write_dropped(struct json_writer *w, const char *key, unsigned count)
{
    if (count > 0) {
        json_writer_key(w, key);
        json_writer_uint(w, count);
    }
}

/* By literals, not member by member: this runs twice for each request. */
void span_write_object(const struct span *span, struct json_writer *w)
{
    unsigned flags = (span->context.flags & TRACE_CONTEXT_WIRE) | FLAG_HAS_IS_REMOTE;

    if (!span->recording)
        return;
    assert(span->end_ns != 0);
    if (w->comma)
        json_writer_bytes(w, ",", 1);
    if (span->parent_is_remote)
        flags |= FLAG_IS_REMOTE;
    json_writer_literal(w, "{\"traceId\":\"", false);
    write_hex(w, span->context.trace_id.bytes, sizeof(span->context.trace_id.bytes));
    json_writer_literal(w, "\",\"spanId\":\"", false);
    write_hex(w, span->context.span_id.bytes, sizeof(span->context.span_id.bytes));
    json_writer_bytes(w, "\"", 1);
    if (span->context.state[0] != '\0') {
        json_writer_literal(w, ",\"traceState\":", false);
        json_writer_string(w, span->context.state);
    }
    if (!ids_span_is_zero(&span->parent)) {
        json_writer_literal(w, ",\"parentSpanId\":\"", false);
        write_hex(w, span->parent.bytes, sizeof(span->parent.bytes));
        json_writer_bytes(w, "\"", 1);
    }
    json_writer_literal(w, ",\"flags\":", false);
    json_writer_uint(w, flags);
    json_writer_literal(w, ",\"name\":", false);
    json_writer_string(w, span->name);
    json_writer_literal(w, ",\"kind\":", false);
    json_writer_uint(w, span->kind);
    json_writer_literal(w, ",\"startTimeUnixNano\":\"", false);
    json_writer_uint(w, span->start_ns);
    json_writer_literal(w, "\",\"endTimeUnixNano\":\"", false);
    json_writer_uint(w, span->end_ns);
    json_writer_literal(w, "\",\"attributes\":[", false);
    for (unsigned i = 0; i < span->attribute_count; i++)
        attribute_write_otlp(w, &span->attributes[i]);
    write_list(w, &span->written_attributes);
    json_writer_literal(w, "]", true);
    write_dropped(w, "droppedAttributesCount",
                  span->dropped_attributes + span->written_attributes.dropped);
    if (span->events.length > 0) {
        json_writer_literal(w, ",\"events\":[", false);
        write_list(w, &span->events);
        json_writer_literal(w, "]", true);
    }
    write_dropped(w, "droppedEventsCount", span->events.dropped);
    write_status(w, span);
    json_writer_literal(w, "}", true);
}

void span_write_head(const struct resource *resource, const struct scope *scope,
                     struct json_writer *w)
{
    json_writer_bytes(w, before_resource, sizeof(before_resource) - 1);
    json_writer_bytes(w, resource->json, resource->length);
    json_writer_bytes(w, before_scope, sizeof(before_scope) - 1);
    json_writer_bytes(w, scope->json, scope->length);
    json_writer_bytes(w, before_span, sizeof(before_span) - 1);
    w->comma = false;
}

void span_write_tail(struct json_writer *w)
{
    json_writer_bytes(w, after_span, sizeof(after_span) - 1);
    w->comma = false;
}

void span_write(const struct span *span, const struct resource *resource, const struct scope *scope,
                struct json_writer *w)
{
    if (!span->recording)
        return;
    span_write_head(resource, scope, w);
    span_write_object(span, w);
    span_write_tail(w);
}
