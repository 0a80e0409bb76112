#include "lib/trace/log.h"

#include "lib/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PART_MAX = 128 }; /* bytes of what is written in one piece: time and level, or ids */

static bool is(const char *key, const char *name, size_t length)
{
    return memcmp(key, name, length) == 0;
}

/* A key's length rules out nearly all of the names before a byte is looked at. */
static bool is_member(const char *key, size_t length)
{
    switch (length) {
    case sizeof("name") - 1:
        return is(key, "name", length);
    case sizeof("asctime") - 1: /* or "message", or "span_id" */
        return is(key, "asctime", length) || is(key, "message", length) ||
               is(key, "span_id", length);
    case sizeof("trace_id") - 1: /* or "resource" */
        return is(key, "trace_id", length) || is(key, "resource", length);
    case sizeof("levelname") - 1:
        return is(key, "levelname", length);
    case sizeof("request_id") - 1:
        return is(key, "request_id", length);
    default:
        return false;
    }
}

bool log_has_member(const char *key)
{
    return is_member(key, strlen(key));
}

static void write_field(struct json_writer *w, const struct attribute *field)
{
    struct attribute renamed;
    char key[sizeof("field.request_id")];

    if (!is_member(field->key, field->key_length)) {
        attribute_write_member(w, field);
        return;
    }
    renamed = *field;
    renamed.key = key;
    renamed.key_length = (unsigned)snprintf(key, sizeof(key), "field.%s", field->key);
    attribute_write_member(w, &renamed);
}

/* The time, the level, and the name's key. */
static void write_time(struct json_writer *w, uint64_t unix_ns, enum log_level level)
{
    char scratch[PART_MAX], *const from = json_writer_room(w, scratch, sizeof(scratch)), *at = from;

    json_writer_put(at, "{\"asctime\":\"");
    clock_iso8601(at, unix_ns);
    at += CLOCK_ISO8601_SIZE - 1;
    json_writer_put(at, "\",\"levelname\":\"");
    at = stpcpy(at, log_level_name(level));
    json_writer_put(at, "\",\"name\":");
    json_writer_take(w, from, at);
    w->comma = false;
}

static void write_ids(struct json_writer *w, const struct trace_context *trace)
{
    char scratch[PART_MAX], *const from = json_writer_room(w, scratch, sizeof(scratch)), *at = from;

    json_writer_put(at, ",\"trace_id\":\"");
    if (trace != NULL)
        at = ids_to_hex(at, trace->trace_id.bytes, sizeof(trace->trace_id.bytes));
    json_writer_put(at, "\",\"span_id\":\"");
    if (trace != NULL)
        at = ids_to_hex(at, trace->span_id.bytes, sizeof(trace->span_id.bytes));
    json_writer_put(at, "\"");
    json_writer_take(w, from, at);
    w->comma = true;
}

void log_write(struct json_writer *w, uint64_t unix_ns, enum log_level level, const char *name,
               const char *message, const struct log_context *context,
               const struct attribute *fields, size_t field_count, const struct resource *resource)
{
    const char *const request_id = context != NULL ? context->request_id : NULL;

    write_time(w, unix_ns, level);
    json_writer_string(w, name);
    json_writer_literal(w, ",\"message\":", false);
    json_writer_string(w, message);
    json_writer_literal(w, ",\"request_id\":", false);
    json_writer_string(w, request_id != NULL ? request_id : "");
    write_ids(w, context != NULL ? context->trace : NULL);
    for (size_t i = 0; i < field_count; i++)
        write_field(w, &fields[i]);
    if (resource != NULL) {
        json_writer_literal(w, ",\"resource\":", false);
        json_writer_bytes(w, resource->members, resource->members_length);
    }
    json_writer_literal(w, "}\n", false);
}
