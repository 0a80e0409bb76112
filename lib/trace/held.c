#include "lib/trace/held.h"

#include <string.h>

/*
 * Behind an entry stand its attributes, and then their texts and all others, in the order in which
 * unpack() passes over them. An entry may be moved: nothing in it points into it.
 */
struct entry {
    size_t size; /* with all that stands behind it */
    const struct span *root;
    struct trace_id trace_id;
    struct span_id span_id, parent;
    uint64_t start_ns, end_ns;
    struct span_list written_attributes, events; /* their lengths; the text is behind */
    size_t name_size, message_size, state_size;  /* with their NUL; 0: NULL */
    unsigned attribute_count, dropped_attributes;
    enum span_kind kind;
    enum span_status status;
    uint8_t flags;
    bool parent_is_remote;
};

void held_init(struct held *held)
{
    held->used = 0;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static size_t kept_length(const struct attribute *attribute)
{
    if (attribute->string == NULL)
        return 0;
    return attribute->length < ATTRIBUTE_STRING_MAX ? attribute->length : ATTRIBUTE_STRING_MAX;
}

static char *put(char *at, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(at, bytes, len);
    return at + len;
}

int held_add(struct held *held, const struct span *span)
{
    const size_t attributes = span->attribute_count * sizeof(span->attributes[0]);
    struct entry entry = {
        .root = span->root,
        .trace_id = span->context.trace_id,
        .span_id = span->context.span_id,
        .parent = span->parent,
        .start_ns = span->start_ns,
        .end_ns = span->end_ns,
        .written_attributes = span->written_attributes,
        .events = span->events,
        .name_size = text_size(span->name),
        .message_size = text_size(span->status_message),
        .state_size = text_size(span->context.state),
        .attribute_count = span->attribute_count,
        .dropped_attributes = span->dropped_attributes,
        .kind = span->kind,
        .status = span->status,
        .flags = span->context.flags,
        .parent_is_remote = span->parent_is_remote,
    };
    char *at = held->bytes + held->used;

    entry.size = sizeof(entry) + attributes + entry.name_size + entry.message_size +
                 entry.state_size + entry.written_attributes.length + entry.events.length;
    for (unsigned i = 0; i < span->attribute_count; i++)
        entry.size += kept_length(&span->attributes[i]);
    if (entry.size > sizeof(held->bytes) - held->used)
        return -1;
    held->used += entry.size;
    at = put(at, &entry, sizeof(entry));
    at = put(at, span->attributes, attributes);
    for (unsigned i = 0; i < span->attribute_count; i++)
        at = put(at, span->attributes[i].string, kept_length(&span->attributes[i]));
    at = put(at, span->name, entry.name_size);
    at = put(at, span->status_message, entry.message_size);
    at = put(at, span->context.state, entry.state_size);
    at = put(at, span->written_attributes.json, entry.written_attributes.length);
    (void)put(at, span->events.json, entry.events.length);
    return 0;
}

/* What stands at *at, or NULL for nothing. */
static const char *next(const char **at, size_t size)
{
    const char *const text = size > 0 ? *at : NULL;

    *at += size;
    return text;
}

/* The span as it was, with its texts in the entry. */
static void unpack(struct span *span, const struct entry *entry, const char *at)
{
    const char *state;

    span->context.trace_id = entry->trace_id;
    span->context.span_id = entry->span_id;
    span->context.flags = entry->flags;
    span->parent = entry->parent;
    span->parent_is_remote = entry->parent_is_remote;
    span->recording = true;
    span->kind = entry->kind;
    span->status = entry->status;
    span->start_ns = entry->start_ns;
    span->end_ns = entry->end_ns;
    span->attribute_count = entry->attribute_count;
    span->dropped_attributes = entry->dropped_attributes;
    memcpy(span->attributes, at, entry->attribute_count * sizeof(span->attributes[0]));
    at += entry->attribute_count * sizeof(span->attributes[0]);
    for (unsigned i = 0; i < span->attribute_count; i++) {
        struct attribute *const attribute = &span->attributes[i];

        /* An empty text is still one. */
        attribute->length = kept_length(attribute);
        if (attribute->string != NULL)
            attribute->string = at;
        at += attribute->length;
    }
    span->name = next(&at, entry->name_size);
    span->status_message = next(&at, entry->message_size);
    state = next(&at, entry->state_size);
    memcpy(span->context.state, state, entry->state_size);
    span->written_attributes = entry->written_attributes;
    span->written_attributes.json = next(&at, entry->written_attributes.length);
    span->events = entry->events;
    span->events.json = next(&at, entry->events.length);
}

void held_release(struct held *held, const struct span *root,
                  void (*take)(void *context, const struct span *span), void *context)
{
    size_t from = 0, kept = 0;
    struct span span;

    while (from < held->used) {
        struct entry entry;

        memcpy(&entry, held->bytes + from, sizeof(entry));
        if (root != NULL && entry.root != root) {
            memmove(held->bytes + kept, held->bytes + from, entry.size);
            kept += entry.size;
        } else if (take != NULL) {
            unpack(&span, &entry, held->bytes + from + sizeof(entry));
            take(context, &span);
        }
        from += entry.size;
    }
    held->used = kept;
}
