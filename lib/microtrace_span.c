#include "lib/base/clock.h"
#include "lib/base/json_writer.h"
#include "lib/base/request_id.h"
#include "lib/microtrace_private.h"
#include "lib/trace/baggage.h"
#include "lib/trace/propagation.h"
#include "lib/trace/span.h"

#include <inttypes.h>
#include <microtrace.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LIST_FIRST = 512,     /* bytes of a list's first buffer */
    LIST_MAX = 90 * 1024, /* of its largest: both of a span fit into one record */
    NAME_MAX_BYTES = 1024,
};

/* A JSON array's elements, separated by commas: attributes or events, as OTLP writes them. */
struct list {
    char *text;
    size_t length, room;
    unsigned count, dropped;
};

struct mt_span {
    struct mt *mt;
    struct span span;
    struct mt_span *root; /* the local root, perhaps itself, whose memory stays as long as this */
    atomic_uint uses;     /* of a local root: by itself and each span below it that has not ended */
    struct list attributes, events;
    size_t starts[MT_SPAN_ATTRIBUTES_MAX + 1]; /* where each attribute begins in its list */
    char *status_message, *baggage;            /* or NULL */
    char name[NAME_MAX_BYTES];
    char request_id[MT_REQUEST_ID_MAX + 1];
};

/* Makes room for more. Returns 0, or -1 at the limit or without memory. */
static int list_grow(struct list *list)
{
    size_t room = list->room == 0 ? LIST_FIRST : 2 * list->room;
    char *text;

    if (list->room == LIST_MAX)
        return -1;
    if (room > LIST_MAX)
        room = LIST_MAX;
    text = realloc(list->text, room);
    if (text == NULL)
        return -1;
    list->text = text;
    list->room = room;
    return 0;
}

/*
 * Appends one element, which `write` writes from `from`. Returns its offset, or -1 if there is no
 * room; the list is then as it was.
 */
static ssize_t list_append(struct list *list,
                           void (*write)(struct json_writer *w, const void *from), const void *from)
{
    struct json_writer w;

    do {
        json_writer_init(&w, list->text, list->room);
        w.len = list->length;
        w.comma = list->length > 0;
        if (list->room > 0) {
            write(&w, from);
            if (!w.overflow) {
                const size_t start = list->length + (list->length > 0);

                list->length = w.len;
                list->count++;
                return (ssize_t)start;
            }
        }
    } while (list_grow(list) == 0);
    list->dropped++;
    return -1;
}

static void write_attribute(struct json_writer *w, const void *from)
{
    attribute_write_otlp(w, from);
}

/* --- Starting --- */

static void copy_text(char *out, size_t size, const char *text)
{
    /* Cut between two characters: a continuation byte never starts one. */
    size_t length = strnlen(text, size);

    if (length == size) {
        length--;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

static struct mt_span *start(struct mt *mt, const char *name, enum mt_span_kind kind,
                             const struct trace_context *parent, bool remote)
{
    struct mt_span *span;

    if (mt == NULL || (span = malloc(sizeof(*span))) == NULL)
        return NULL;
    span->mt = mt;
    span->root = span;
    atomic_init(&span->uses, 1);
    span->attributes = span->events = (struct list){0};
    span->status_message = span->baggage = NULL;
    span->request_id[0] = '\0';
    copy_text(span->name, sizeof(span->name), name != NULL ? name : "");
    if ((unsigned)kind < MT_SPAN_INTERNAL || (unsigned)kind > MT_SPAN_CONSUMER)
        kind = MT_SPAN_INTERNAL;
    telemetry_span_begin(mt->telemetry, &span->span, span->name, (enum span_kind)kind, parent,
                         remote);
    return span;
}

struct mt_span *mt_span_start(struct mt *mt, const char *name, enum mt_span_kind kind,
                              const struct mt_span *parent)
{
    struct mt_span *const span =
        start(mt, name, kind, parent != NULL ? &parent->span.context : NULL, false);

    if (span == NULL || parent == NULL)
        return span;
    span->root = parent->root;
    span->span.root = parent->span.root;
    (void)atomic_fetch_add_explicit(&span->root->uses, 1, memory_order_relaxed);
    memcpy(span->request_id, parent->request_id, sizeof(span->request_id));
    if (parent->baggage != NULL)
        span->baggage = strdup(parent->baggage);
    return span;
}

static struct mt_span *start_from(struct mt *mt, const char *name, enum mt_span_kind kind,
                                  const struct propagation_carrier *carrier, const char *baggage)
{
    struct trace_context caller;
    struct mt_span *span;

    if (mt == NULL)
        return NULL;
    /* A context without ids still says what the caller wants of sampling. */
    (void)propagation_extract(mt->propagators, carrier, &caller);
    span = start(mt, name, kind, &caller, true);
    if (span != NULL && baggage != NULL && propagation_has(mt->propagators, PROPAGATION_BAGGAGE) &&
        baggage_length(baggage) > 0)
        span->baggage = strdup(baggage);
    return span;
}

struct mt_span *mt_span_start_remote(struct mt *mt, const char *name, enum mt_span_kind kind,
                                     const char *traceparent, const char *tracestate)
{
    const struct propagation_carrier carrier = {.traceparent = traceparent,
                                                .tracestate = tracestate};

    return start_from(mt, name, kind, &carrier, NULL);
}

/* The variable of that name among `envp`; NULL if it is absent. */
static const char *variable(char *const *envp, const char *prefix, const char *name)
{
    const size_t prefix_length = strlen(prefix), length = strlen(name);

    for (; envp != NULL && *envp != NULL; envp++) {
        if (strncmp(*envp, prefix, prefix_length) == 0 &&
            strncmp(*envp + prefix_length, name, length) == 0 &&
            (*envp)[prefix_length + length] == '=')
            return *envp + prefix_length + length + 1;
    }
    return NULL;
}

static struct mt_span *start_by_variables(struct mt *mt, const char *name, enum mt_span_kind kind,
                                          char *const *envp, const char *prefix)
{
    const struct propagation_carrier carrier = {
        .traceparent = variable(envp, prefix, "TRACEPARENT"),
        .tracestate = variable(envp, prefix, "TRACESTATE"),
        .b3 = variable(envp, prefix, "B3"),
        .b3_trace_id = variable(envp, prefix, "X_B3_TRACEID"),
        .b3_span_id = variable(envp, prefix, "X_B3_SPANID"),
        .b3_sampled = variable(envp, prefix, "X_B3_SAMPLED"),
        .b3_flags = variable(envp, prefix, "X_B3_FLAGS"),
        .uber_trace_id = variable(envp, prefix, "UBER_TRACE_ID"),
    };

    return start_from(mt, name, kind, &carrier, variable(envp, prefix, "BAGGAGE"));
}

struct mt_span *mt_span_start_env(struct mt *mt, const char *name, enum mt_span_kind kind)
{
    return start_by_variables(mt, name, kind, environ, "");
}

struct mt_span *mt_span_start_cgi(struct mt *mt, const char *name, enum mt_span_kind kind,
                                  char *const *envp)
{
    struct mt_span *const span = start_by_variables(mt, name, kind, envp, "HTTP_");

    mt_span_set_request_id(span, variable(envp, "HTTP_", "X_REQUEST_ID"));
    return span;
}

/* --- While it runs --- */

void mt_span_set_name(struct mt_span *span, const char *name)
{
    if (span != NULL && name != NULL)
        copy_text(span->name, sizeof(span->name), name);
}

/* The first bytes of an element are its key: {"key":"...", */
static size_t key_length(const char *element, const char *end)
{
    const char *at = element + sizeof("{\"key\":\"") - 1;

    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return (size_t)(at - element) + 1;
}

/* Takes out the attribute that has the key of the last one, if there is one. */
static void remove_elder(struct mt_span *span)
{
    struct list *const list = &span->attributes;
    const unsigned last = list->count - 1;
    const char *const newest = list->text + span->starts[last];
    const size_t length = key_length(newest, list->text + list->length);

    for (unsigned i = 0; i < last; i++) {
        const size_t start = span->starts[i], size = span->starts[i + 1] - start;

        if (memcmp(list->text + start, newest, length < size ? length : size) != 0)
            continue;
        memmove(list->text + start, list->text + start + size, list->length - start - size);
        list->length -= size;
        list->count--;
        for (unsigned j = i; j < list->count; j++)
            span->starts[j] = span->starts[j + 1] - size;
        return;
    }
}

static void set(struct mt_span *span, const struct attribute *attribute)
{
    struct list *const list = &span->attributes;
    ssize_t start;

    if (!span->span.recording || attribute->key == NULL || attribute->key[0] == '\0' ||
        attribute_is_absent(attribute))
        return;
    start = list_append(list, write_attribute, attribute);
    if (start < 0)
        return;
    span->starts[list->count - 1] = (size_t)start;
    remove_elder(span);
    if (list->count > MT_SPAN_ATTRIBUTES_MAX) {
        /* The place beyond the limit is for a key that replaces another. */
        list->length = span->starts[--list->count] - 1;
        list->dropped++;
    }
}

void mt_span_set(struct mt_span *span, struct mt_attribute attribute)
{
    const struct attribute converted = microtrace_attribute(&attribute);

    if (span != NULL)
        set(span, &converted);
}

void mt_span_set_request_id(struct mt_span *span, const char *request_id)
{
    const struct attribute attribute = attribute_string("microtrace.request_id", request_id);

    if (span == NULL || !request_id_is_valid(request_id))
        return;
    copy_text(span->request_id, sizeof(span->request_id), request_id);
    set(span, &attribute);
}

void mt_span_set_status(struct mt_span *span, enum mt_status status, const char *message)
{
    if (span == NULL || span->span.status == SPAN_STATUS_OK || (unsigned)status > MT_STATUS_ERROR)
        return;
    span->span.status = (enum span_status)status;
    free(span->status_message);
    span->status_message = status == MT_STATUS_ERROR && message != NULL
                               ? strndup(message, ATTRIBUTE_STRING_MAX)
                               : NULL;
}

/* OTLP trace.proto, Span.Event. */
struct event {
    uint64_t unix_ns;
    const char *name;
    struct attribute attributes[MT_SPAN_ATTRIBUTES_MAX];
    size_t count;
    unsigned dropped;
};

static bool is_same_key(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void write_event(struct json_writer *w, const void *from)
{
    const struct event *const event = from;
    char time[sizeof("18446744073709551615")];

    (void)snprintf(time, sizeof(time), "%" PRIu64, event->unix_ns);
    json_writer_begin_object(w);
    json_writer_key_string(w, "timeUnixNano", time);
    json_writer_key_string(w, "name", event->name);
    json_writer_key(w, "attributes");
    json_writer_begin_array(w);
    for (size_t i = 0; i < event->count; i++)
        attribute_write_otlp(w, &event->attributes[i]);
    json_writer_end_array(w);
    if (event->dropped > 0) {
        json_writer_key_uint(w, "droppedAttributesCount", event->dropped);
    }
    json_writer_end_object(w);
}

void mt_span_add_event(struct mt_span *span, const char *name,
                       const struct mt_attribute *attributes, size_t count)
{
    struct event event;

    if (span == NULL || name == NULL || !span->span.recording)
        return;
    if (span->events.count == MT_SPAN_EVENTS_MAX) {
        span->events.dropped++;
        return;
    }
    event.unix_ns = clock_unix_ns();
    event.name = name;
    event.count = microtrace_attributes(event.attributes, MT_SPAN_ATTRIBUTES_MAX, attributes, count,
                                        is_same_key, &event.dropped);
    (void)list_append(&span->events, write_event, &event);
}

void mt_span_record_error(struct mt_span *span, const char *type, const char *message,
                          const char *stacktrace)
{
    const struct mt_attribute attributes[] = {
        mt_string("exception.type", type),
        mt_string("exception.message", message),
        mt_string("exception.stacktrace", stacktrace),
    };

    mt_span_add_event(span, "exception", attributes, sizeof(attributes) / sizeof(attributes[0]));
    mt_span_set_status(span, MT_STATUS_ERROR, message);
}

bool mt_span_is_recording(const struct mt_span *span)
{
    return span != NULL && span->span.recording;
}

/* --- Handing it on --- */

struct log_context microtrace_log_context(const struct mt_span *span)
{
    if (span == NULL)
        return (struct log_context){0};
    return (struct log_context){.request_id = span->request_id, .trace = &span->span.context};
}

void microtrace_observe(struct metrics_histogram *histogram, double value,
                        const struct mt_span *span)
{
    struct mt *const mt = span->mt;

    /* Without a lock where nothing is decided later. */
    if (telemetry_keeps_all(mt->telemetry)) {
        metrics_observe_exemplar(histogram, value, &span->span.context.trace_id,
                                 &span->span.context.span_id, clock_unix_ns());
        return;
    }
    pthread_mutex_lock(&mt->lock);
    telemetry_observe(mt->telemetry, histogram, value, &span->span);
    pthread_mutex_unlock(&mt->lock);
}

int mt_span_traceparent(const struct mt_span *span, char out[MT_TRACEPARENT_SIZE])
{
    if (span == NULL) {
        out[0] = '\0';
        return -1;
    }
    trace_context_format(out, &span->span.context);
    return 0;
}

int mt_span_inject(const struct mt_span *span,
                   void (*put)(void *context, const char *name, const char *value), void *context)
{
    int count;

    if (span == NULL || put == NULL)
        return 0;
    count =
        propagation_inject(span->mt->propagators, &span->span.context, span->baggage, put, context);
    if (span->request_id[0] != '\0') {
        put(context, "X-Request-ID", span->request_id);
        count++;
    }
    return count;
}

static struct span_list written(const struct list *list)
{
    return (struct span_list){list->text, list->length, list->dropped};
}

/* One use of a local root less. */
static void release(struct mt_span *root)
{
    if (atomic_fetch_sub_explicit(&root->uses, 1, memory_order_acq_rel) == 1)
        free(root);
}

void mt_span_end(struct mt_span *span)
{
    struct mt_span *root;

    if (span == NULL)
        return;
    root = span->root;
    span_end(&span->span);
    span->span.status_message = span->status_message;
    span->span.written_attributes = written(&span->attributes);
    span->span.events = written(&span->events);
    pthread_mutex_lock(&span->mt->lock);
    telemetry_span_end(span->mt->telemetry, &span->span);
    pthread_mutex_unlock(&span->mt->lock);
    free(span->attributes.text);
    free(span->events.text);
    free(span->status_message);
    free(span->baggage);
    if (span != root)
        free(span);
    release(root);
}
