#include "metrics-agent/export/otlp_schema.h"

#include "lib/base/json_walk.h"

#include <assert.h>
#include <string.h>

enum { NAME_MAX_LEN = 32 };

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
#define ENUM(text, field_number, of)                                                               \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_INT32, .values = &(of)                             \
    }
#define ONE(text, field_number, of)                                                                \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_MESSAGE, .message = &(of)                          \
    }
#define MANY(text, field_number, of)                                                               \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_MESSAGE, .repeated = true, .message = &(of)        \
    }
#define CHOICE(text, field_number, field_kind)                                                     \
    {                                                                                              \
        NAMED(text, field_number), .kind = (field_kind), .oneof = true                             \
    }
#define CHOICE_OF(text, field_number, of)                                                          \
    {                                                                                              \
        NAMED(text, field_number), .kind = OTLP_MESSAGE, .oneof = true, .message = &(of)           \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VALUES(name, list)                                                                         \
    static const struct otlp_enum name = {.names = (list), .count = COUNT(list)}
#define MESSAGE(name, rows)                                                                        \
    static_assert(COUNT(rows) <= OTLP_SCHEMA_FIELDS_MAX, "each has a bit");                        \
    static const struct otlp_message name = {.fields = (rows), .count = COUNT(rows)}

/* An AnyValue may hold lists of itself. */
static const struct otlp_message array_value, kvlist;

static const struct otlp_field any_value_fields[] = {
    CHOICE("stringValue", 1, OTLP_STRING),   CHOICE("boolValue", 2, OTLP_BOOL),
    CHOICE("intValue", 3, OTLP_INT64),       CHOICE("doubleValue", 4, OTLP_DOUBLE),
    CHOICE_OF("arrayValue", 5, array_value), CHOICE_OF("kvlistValue", 6, kvlist),
    CHOICE("bytesValue", 7, OTLP_BYTES),     CHOICE("stringValueStrindex", 8, OTLP_INT32),
};
MESSAGE(any_value, any_value_fields);

static const struct otlp_field key_value_fields[] = {
    FIELD("key", 1, OTLP_STRING),
    ONE("value", 2, any_value),
    FIELD("keyStrindex", 3, OTLP_INT32),
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

static const char *const status_codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                           "STATUS_CODE_ERROR"};
VALUES(status_code, status_codes);

static const struct otlp_field status_fields[] = {
    FIELD("message", 2, OTLP_STRING),
    ENUM("code", 3, status_code),
};
MESSAGE(status, status_fields);

static const char *const span_kinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                         "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
VALUES(span_kind, span_kinds);

static const struct otlp_field span_fields[] = {
    FIELD("traceId", 1, OTLP_ID),
    FIELD("spanId", 2, OTLP_ID),
    FIELD("parentSpanId", 4, OTLP_ID),
    FIELD("traceState", 3, OTLP_STRING),
    FIELD("flags", 16, OTLP_FIXED32),
    FIELD("name", 5, OTLP_STRING),
    ENUM("kind", 6, span_kind),
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

#define FOUR(level) level, level "2", level "3", level "4"
static const char *const severities[] = {
    "SEVERITY_NUMBER_UNSPECIFIED", FOUR("SEVERITY_NUMBER_TRACE"), FOUR("SEVERITY_NUMBER_DEBUG"),
    FOUR("SEVERITY_NUMBER_INFO"),  FOUR("SEVERITY_NUMBER_WARN"),  FOUR("SEVERITY_NUMBER_ERROR"),
    FOUR("SEVERITY_NUMBER_FATAL"),
};
VALUES(severity, severities);

static const struct otlp_field log_record_fields[] = {
    FIELD("timeUnixNano", 1, OTLP_FIXED64), FIELD("observedTimeUnixNano", 11, OTLP_FIXED64),
    ENUM("severityNumber", 2, severity),    FIELD("severityText", 3, OTLP_STRING),
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

static const struct otlp_field exemplar_fields[] = {
    MANY("filteredAttributes", 7, key_value),
    FIELD("timeUnixNano", 2, OTLP_FIXED64),
    CHOICE("asDouble", 3, OTLP_DOUBLE),
    CHOICE("asInt", 6, OTLP_SFIXED64),
    FIELD("spanId", 4, OTLP_ID),
    FIELD("traceId", 5, OTLP_ID),
};
MESSAGE(exemplar, exemplar_fields);

static const struct otlp_field number_point_fields[] = {
    MANY("attributes", 7, key_value),       FIELD("startTimeUnixNano", 2, OTLP_FIXED64),
    FIELD("timeUnixNano", 3, OTLP_FIXED64), CHOICE("asDouble", 4, OTLP_DOUBLE),
    CHOICE("asInt", 6, OTLP_SFIXED64),      MANY("exemplars", 5, exemplar),
    FIELD("flags", 8, OTLP_UINT32),
};
MESSAGE(number_point, number_point_fields);

static const char *const temporalities[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                            "AGGREGATION_TEMPORALITY_DELTA",
                                            "AGGREGATION_TEMPORALITY_CUMULATIVE"};
VALUES(temporality, temporalities);

static const struct otlp_field gauge_fields[] = {MANY("dataPoints", 1, number_point)};
MESSAGE(gauge, gauge_fields);

static const struct otlp_field sum_fields[] = {
    MANY("dataPoints", 1, number_point),
    ENUM("aggregationTemporality", 2, temporality),
    FIELD("isMonotonic", 3, OTLP_BOOL),
};
MESSAGE(sum, sum_fields);

static const struct otlp_field histogram_point_fields[] = {
    MANY("attributes", 9, key_value),
    FIELD("startTimeUnixNano", 2, OTLP_FIXED64),
    FIELD("timeUnixNano", 3, OTLP_FIXED64),
    FIELD("count", 4, OTLP_FIXED64),
    FIELD("sum", 5, OTLP_DOUBLE),
    REPEATED("bucketCounts", 6, OTLP_FIXED64),
    REPEATED("explicitBounds", 7, OTLP_DOUBLE),
    MANY("exemplars", 8, exemplar),
    FIELD("flags", 10, OTLP_UINT32),
    FIELD("min", 11, OTLP_DOUBLE),
    FIELD("max", 12, OTLP_DOUBLE),
};
MESSAGE(histogram_point, histogram_point_fields);

static const struct otlp_field histogram_fields[] = {
    MANY("dataPoints", 1, histogram_point),
    ENUM("aggregationTemporality", 2, temporality),
};
MESSAGE(histogram, histogram_fields);

static const struct otlp_field buckets_fields[] = {
    FIELD("offset", 1, OTLP_SINT32),
    REPEATED("bucketCounts", 2, OTLP_UINT64),
};
MESSAGE(buckets, buckets_fields);

static const struct otlp_field exponential_point_fields[] = {
    MANY("attributes", 1, key_value),
    FIELD("startTimeUnixNano", 2, OTLP_FIXED64),
    FIELD("timeUnixNano", 3, OTLP_FIXED64),
    FIELD("count", 4, OTLP_FIXED64),
    FIELD("sum", 5, OTLP_DOUBLE),
    FIELD("scale", 6, OTLP_SINT32),
    FIELD("zeroCount", 7, OTLP_FIXED64),
    ONE("positive", 8, buckets),
    ONE("negative", 9, buckets),
    FIELD("flags", 10, OTLP_UINT32),
    MANY("exemplars", 11, exemplar),
    FIELD("min", 12, OTLP_DOUBLE),
    FIELD("max", 13, OTLP_DOUBLE),
    FIELD("zeroThreshold", 14, OTLP_DOUBLE),
};
MESSAGE(exponential_point, exponential_point_fields);

static const struct otlp_field exponential_fields[] = {
    MANY("dataPoints", 1, exponential_point),
    ENUM("aggregationTemporality", 2, temporality),
};
MESSAGE(exponential, exponential_fields);

static const struct otlp_field quantile_fields[] = {
    FIELD("quantile", 1, OTLP_DOUBLE),
    FIELD("value", 2, OTLP_DOUBLE),
};
MESSAGE(quantile, quantile_fields);

static const struct otlp_field summary_point_fields[] = {
    MANY("attributes", 7, key_value),       FIELD("startTimeUnixNano", 2, OTLP_FIXED64),
    FIELD("timeUnixNano", 3, OTLP_FIXED64), FIELD("count", 4, OTLP_FIXED64),
    FIELD("sum", 5, OTLP_DOUBLE),           MANY("quantileValues", 6, quantile),
    FIELD("flags", 8, OTLP_UINT32),
};
MESSAGE(summary_point, summary_point_fields);

static const struct otlp_field summary_fields[] = {MANY("dataPoints", 1, summary_point)};
MESSAGE(summary, summary_fields);

static const struct otlp_field metric_fields[] = {
    FIELD("name", 1, OTLP_STRING),
    FIELD("description", 2, OTLP_STRING),
    FIELD("unit", 3, OTLP_STRING),
    CHOICE_OF("gauge", 5, gauge),
    CHOICE_OF("sum", 7, sum),
    CHOICE_OF("histogram", 9, histogram),
    CHOICE_OF("exponentialHistogram", 10, exponential),
    CHOICE_OF("summary", 11, summary),
    MANY("metadata", 12, key_value),
};
MESSAGE(metric, metric_fields);

static const struct otlp_field scope_metrics_fields[] = {
    ONE("scope", 1, scope),
    MANY("metrics", 2, metric),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(scope_metrics, scope_metrics_fields);

static const struct otlp_field resource_metrics_fields[] = {
    ONE("resource", 1, resource),
    MANY("scopeMetrics", 2, scope_metrics),
    FIELD("schemaUrl", 3, OTLP_STRING),
};
MESSAGE(resource_metrics, resource_metrics_fields);

static const struct otlp_field metrics_request_fields[] = {
    MANY("resourceMetrics", 1, resource_metrics)};
MESSAGE(metrics_request, metrics_request_fields);

const struct otlp_message *otlp_schema_request(enum spool_signal signal)
{
    static const struct otlp_message *const requests[SPOOL_SIGNALS] = {
        [SPOOL_TRACES] = &trace_request,
        [SPOOL_LOGS] = &logs_request,
        [SPOOL_METRICS] = &metrics_request};

    return requests[signal];
}

/*
 * Writes into `out` what a name in snake_case or with escapes is in camelCase. Returns its length,
 * or 0 for what no field is called.
 */
static size_t camel(struct text name, char out[NAME_MAX_LEN])
{
    const char *at = name.at, *const end = name.at + name.len;
    bool upper = false, snake = false, word = false; /* `word`: the next letter begins one */
    size_t len = 0;

    while (at < end) {
        char c[UTF8_MAX] = {*at++};

        if ((c[0] == '\\' && json_walk_unescape(&at, end, c) != 1) || len == NAME_MAX_LEN)
            return 0;
        if (c[0] == '_') {
            if (word)
                return 0;
            snake = word = true;
            continue;
        }
        upper = upper || (c[0] >= 'A' && c[0] <= 'Z');
        if (word && c[0] >= 'a' && c[0] <= 'z')
            c[0] = (char)(c[0] - 'a' + 'A');
        out[len++] = c[0];
        word = false;
    }
    return word || (snake && upper) ? 0 : len;
}

static const struct otlp_field *find(const struct otlp_message *message, struct text name,
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

const struct otlp_field *otlp_schema_field(const struct otlp_message *message, struct text name,
                                           size_t *hint)
{
    const struct otlp_field *const field = find(message, name, hint);
    char other[NAME_MAX_LEN];

    if (field != NULL ||
        (memchr(name.at, '_', name.len) == NULL && memchr(name.at, '\\', name.len) == NULL))
        return field;
    return find(message, (struct text){other, camel(name, other)}, hint);
}
