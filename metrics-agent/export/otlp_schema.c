#include "metrics-agent/export/otlp_schema.h"

#include <string.h>

#define NAMED(text, field_number)                                                                  \
    .name = (text), .name_len = sizeof(text) - 1, .number = (field_number)
#define FIELD(text, field_number, field_kind)                                                      \
    {                                                                                              \
        NAMED(text, field_number), .kind = (field_kind)                                            \
    }
#define REPEATED(text, field_number, field_kind)                                                   \
    {                                                                                              \
        NAMED(text, field_number), .kind = (field_kind), .repeated = true                          \
    }
#define ONE(text, field_number, of)                                                                \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_MESSAGE, .message = &(of)                          \
    }
#define MANY(text, field_number, of)                                                               \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_MESSAGE, .repeated = true, .message = &(of)        \
    }
#define MESSAGE(name, rows)                                                                        \
    static const struct otlp_message name = {.fields = (rows),                                     \
                                             .count = sizeof(rows) / sizeof((rows)[0])}

/* An AnyValue may hold lists of itself. */
static const struct otlp_message array_value, kvlist;

static const struct otlp_field any_value_fields[] = {
    FIELD("stringValue", 1, OTLP_STRING), FIELD("boolValue", 2, OTLP_BOOL),
    FIELD("intValue", 3, OTLP_INT64),     FIELD("doubleValue", 4, OTLP_DOUBLE),
    ONE("arrayValue", 5, array_value),    ONE("kvlistValue", 6, kvlist),
    FIELD("bytesValue", 7, OTLP_BYTES),
};
MESSAGE(any_value, any_value_fields);

static const struct otlp_field key_value_fields[] = {
    FIELD("key", 1, OTLP_STRING),
    ONE("value", 2, any_value),
};
MESSAGE(key_value, key_value_fields);

static const struct otlp_field array_value_fields[] = {MANY("values", 1, any_value)};
MESSAGE(array_value, array_value_fields);

static const struct otlp_field kvlist_fields[] = {MANY("values", 1, key_value)};
MESSAGE(kvlist, kvlist_fields);

static const struct otlp_field scope_fields[] = {
    FIELD("name", 1, OTLP_STRING),
    FIELD("version", 2, OTLP_STRING),
    MANY("attributes", 3, key_value),
    FIELD("droppedAttributesCount", 4, OTLP_UINT32),
};
MESSAGE(scope, scope_fields);

static const struct otlp_field entity_fields[] = {
    FIELD("schemaUrl", 1, OTLP_STRING),
    FIELD("type", 2, OTLP_STRING),
    REPEATED("idKeys", 3, OTLP_STRING),
    REPEATED("descriptionKeys", 4, OTLP_STRING),
};
MESSAGE(entity, entity_fields);

static const struct otlp_field resource_fields[] = {
    MANY("attributes", 1, key_value),
    FIELD("droppedAttributesCount", 2, OTLP_UINT32),
    MANY("entityRefs", 3, entity),
};
MESSAGE(resource, resource_fields);

static const struct otlp_field event_fields[] = {
    FIELD("timeUnixNano", 1, OTLP_FIXED64),
    FIELD("name", 2, OTLP_STRING),
    MANY("attributes", 3, key_value),
    FIELD("droppedAttributesCount", 4, OTLP_UINT32),
};
MESSAGE(event, event_fields);

static const struct otlp_field link_fields[] = {
    FIELD("traceId", 1, OTLP_ID),        FIELD("spanId", 2, OTLP_ID),
    FIELD("traceState", 3, OTLP_STRING), MANY("attributes", 4, key_value),
    FIELD("flags", 6, OTLP_FIXED32),     FIELD("droppedAttributesCount", 5, OTLP_UINT32),
};
MESSAGE(span_link, link_fields);

static const struct otlp_field status_fields[] = {
    FIELD("message", 2, OTLP_STRING),
    FIELD("code", 3, OTLP_ENUM),
};
MESSAGE(status, status_fields);

static const struct otlp_field span_fields[] = {
    FIELD("traceId", 1, OTLP_ID),
    FIELD("spanId", 2, OTLP_ID),
    FIELD("parentSpanId", 4, OTLP_ID),
    FIELD("traceState", 3, OTLP_STRING),
    FIELD("flags", 16, OTLP_FIXED32),
    FIELD("name", 5, OTLP_STRING),
    FIELD("kind", 6, OTLP_ENUM),
    FIELD("startTimeUnixNano", 7, OTLP_FIXED64),
    FIELD("endTimeUnixNano", 8, OTLP_FIXED64),
    MANY("attributes", 9, key_value),
    FIELD("droppedAttributesCount", 10, OTLP_UINT32),
    MANY("events", 11, event),
    FIELD("droppedEventsCount", 12, OTLP_UINT32),
    MANY("links", 13, span_link),
    FIELD("droppedLinksCount", 14, OTLP_UINT32),
    ONE("status", 15, status),
};
MESSAGE(span, span_fields);

static const struct otlp_field scope_spans_fields[] = {
    ONE("scope", 1, scope),
    MANY("spans", 2, span),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(scope_spans, scope_spans_fields);

static const struct otlp_field resource_spans_fields[] = {
    ONE("resource", 1, resource),
    MANY("scopeSpans", 2, scope_spans),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(resource_spans, resource_spans_fields);

static const struct otlp_field trace_request_fields[] = {MANY("resourceSpans", 1, resource_spans)};
MESSAGE(trace_request, trace_request_fields);

static const struct otlp_field log_record_fields[] = {
    FIELD("timeUnixNano", 1, OTLP_FIXED64), FIELD("observedTimeUnixNano", 11, OTLP_FIXED64),
    FIELD("severityNumber", 2, OTLP_ENUM),  FIELD("severityText", 3, OTLP_STRING),
    FIELD("traceId", 9, OTLP_ID),           FIELD("spanId", 10, OTLP_ID),
    FIELD("flags", 8, OTLP_FIXED32),        ONE("body", 5, any_value),
    MANY("attributes", 6, key_value),       FIELD("droppedAttributesCount", 7, OTLP_UINT32),
    FIELD("eventName", 12, OTLP_STRING),
};
MESSAGE(log_record, log_record_fields);

static const struct otlp_field scope_logs_fields[] = {
    ONE("scope", 1, scope),
    MANY("logRecords", 2, log_record),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(scope_logs, scope_logs_fields);

static const struct otlp_field resource_logs_fields[] = {
    ONE("resource", 1, resource),
    MANY("scopeLogs", 2, scope_logs),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(resource_logs, resource_logs_fields);

static const struct otlp_field logs_request_fields[] = {MANY("resourceLogs", 1, resource_logs)};
MESSAGE(logs_request, logs_request_fields);

const struct otlp_message *otlp_schema_request(enum spool_signal signal)
{
    return signal == SPOOL_TRACES ? &trace_request : &logs_request;
}

const struct otlp_field *otlp_schema_field(const struct otlp_message *message, struct text name,
                                           size_t *hint)
{
    for (size_t i = 0; i < message->count; i++) {
        const size_t at = (*hint + i) % message->count;
        const struct otlp_field *field = &message->fields[at];

        if (field->name_len == name.len && memcmp(field->name, name.at, name.len) == 0) {
            *hint = at + 1;
            return field;
        }
    }
    return NULL;
}
