#include "lib/trace/span.h"

#include "lib/base/clock.h"
#include "lib/base/decimal.h"

#include <assert.h>
#include <string.h>

/* OTLP trace.proto, SpanFlags: "remote" is known, and its value. */
enum {
    FLAG_HAS_IS_REMOTE = 0x100,
    FLAG_IS_REMOTE = 0x200,
};

enum { PART_MAX = 160 }; /* bytes of what is written in one piece: ids, parent or times */

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
    span->root = span;
    span->fate = SPAN_FATE_KEPT;
    span->failed = false;
    span->caller_sampled = remote && !root && (parent->flags & TRACE_CONTEXT_SAMPLED) != 0;
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

void span_pass_on(struct span *span, const struct trace_context *parent)
{
    assert(!span->recording);
    span->context.span_id = parent->span_id;
    span->context.flags =
        (parent->flags & (TRACE_CONTEXT_WIRE | TRACE_CONTEXT_DEBUG)) | TRACE_CONTEXT_PASSED_ON;
}

void span_begin_child(struct span *span, const char *name, enum span_kind kind,
                      const struct span *parent)
{
    begin(span, name, kind, false);
    span->root = parent->root;
    continue_trace(span, &parent->context);
    set_sampled(span, parent->recording);
    if ((parent->context.flags & TRACE_CONTEXT_PASSED_ON) != 0)
        span_pass_on(span, &parent->context);
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

static void write_ids(struct json_writer *w, const struct span *span)
{
    char scratch[PART_MAX], *const from = json_writer_room(w, scratch, sizeof(scratch)), *at = from;

    if (w->comma)
        json_writer_put(at, ",");
    json_writer_put(at, "{\"traceId\":\"");
    at = ids_to_hex(at, span->context.trace_id.bytes, sizeof(span->context.trace_id.bytes));
    json_writer_put(at, "\",\"spanId\":\"");
    at = ids_to_hex(at, span->context.span_id.bytes, sizeof(span->context.span_id.bytes));
    json_writer_put(at, "\"");
    json_writer_take(w, from, at);
}

/* The parent, the flags, and the name's key. */
static void write_parent(struct json_writer *w, const struct span *span)
{
    char scratch[PART_MAX], *const from = json_writer_room(w, scratch, sizeof(scratch)), *at = from;
    unsigned flags = (span->context.flags & TRACE_CONTEXT_WIRE) | FLAG_HAS_IS_REMOTE;

    if (span->parent_is_remote)
        flags |= FLAG_IS_REMOTE;
    if (!ids_span_is_zero(&span->parent)) {
        json_writer_put(at, ",\"parentSpanId\":\"");
        at = ids_to_hex(at, span->parent.bytes, sizeof(span->parent.bytes));
        json_writer_put(at, "\"");
    }
    json_writer_put(at, ",\"flags\":");
    at += decimal_uint(at, flags);
    json_writer_put(at, ",\"name\":");
    json_writer_take(w, from, at);
}

/* The kind, the times, and the attributes' key. */
static void write_times(struct json_writer *w, const struct span *span)
{
    char scratch[PART_MAX], *const from = json_writer_room(w, scratch, sizeof(scratch)), *at = from;

    json_writer_put(at, ",\"kind\":");
    at += decimal_uint(at, span->kind);
    json_writer_put(at, ",\"startTimeUnixNano\":\"");
    at += decimal_uint(at, span->start_ns);
    json_writer_put(at, "\",\"endTimeUnixNano\":\"");
    at += decimal_uint(at, span->end_ns);
    json_writer_put(at, "\",\"attributes\":[");
    json_writer_take(w, from, at);
}

void span_write_object(const struct span *span, struct json_writer *w)
{
    if (!span->recording)
        return;
    assert(span->end_ns != 0);
    write_ids(w, span);
    if (span->context.state[0] != '\0') {
        json_writer_literal(w, ",\"traceState\":", false);
        json_writer_string(w, span->context.state);
    }
    write_parent(w, span);
    w->comma = false;
    json_writer_string(w, span->name);
    write_times(w, span);
    w->comma = false;
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
