#include "lib/trace/log.h"

#include "lib/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void write_id(struct json_writer *w, const uint8_t *bytes, size_t len)
{
    char hex[IDS_TRACE_HEX];

    ids_to_hex(hex, bytes, len);
    json_writer_bytes(w, hex, 2 * len);
}

bool log_has_member(const char *key)
{
    static const char *const taken[] = {"asctime",    "levelname", "name",    "message",
                                        "request_id", "trace_id",  "span_id", "resource"};

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (key[0] == taken[i][0] && strcmp(key, taken[i]) == 0)
            return true;
    }
    return false;
}

static void write_field(struct json_writer *w, const struct attribute *field)
{
    struct attribute renamed = *field;
    char key[sizeof("field.request_id")];

    if (log_has_member(field->key)) {
        (void)snprintf(key, sizeof(key), "field.%s", field->key);
        renamed.key = key;
    }
    attribute_write_member(w, &renamed);
}

void log_write(struct json_writer *w, uint64_t unix_ns, enum log_level level, const char *name,
               const char *message, const struct log_context *context,
               const struct attribute *fields, size_t field_count, const struct resource *resource)
{
    const struct trace_context *trace = context != NULL ? context->trace : NULL;
    const char *request_id = context != NULL ? context->request_id : NULL;
    char time[CLOCK_ISO8601_SIZE];

    clock_iso8601(time, unix_ns);
    json_writer_literal(w, "{\"asctime\":\"", false);
    json_writer_bytes(w, time, CLOCK_ISO8601_SIZE - 1);
    json_writer_literal(w, "\",\"levelname\":", false);
    json_writer_string(w, log_level_name(level));
    json_writer_literal(w, ",\"name\":", false);
    json_writer_string(w, name);
    json_writer_literal(w, ",\"message\":", false);
    json_writer_string(w, message);
    json_writer_literal(w, ",\"request_id\":", false);
    json_writer_string(w, request_id != NULL ? request_id : "");
    json_writer_literal(w, ",\"trace_id\":\"", false);
    if (trace != NULL)
        write_id(w, trace->trace_id.bytes, sizeof(trace->trace_id.bytes));
    json_writer_literal(w, "\",\"span_id\":\"", false);
    if (trace != NULL)
        write_id(w, trace->span_id.bytes, sizeof(trace->span_id.bytes));
    json_writer_literal(w, "\"", true);
    for (size_t i = 0; i < field_count; i++)
        write_field(w, &fields[i]);
    if (resource != NULL) {
        json_writer_literal(w, ",\"resource\":", false);
        json_writer_bytes(w, resource->members, resource->members_length);
    }
    json_writer_literal(w, "}\n", false);
}
