/*
 * The messages of an OTLP export request as tables: what a member of the JSON mapping is called,
 * which field of the protobuf message it is, and of what type. From opentelemetry-proto 1.x:
 * common/v1, resource/v1, trace/v1, logs/v1, metrics/v1 and collector/ * /v1.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_SCHEMA_H
#define METRICS_AGENT_EXPORT_OTLP_SCHEMA_H

#include "lib/base/text.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum otlp_kind {
    OTLP_STRING,
    OTLP_ID,    /* bytes, in JSON hexadecimal */
    OTLP_BYTES, /* bytes, in JSON base64 */
    OTLP_MESSAGE,
    OTLP_BOOL, /* from here on a list of them is packed into one field */
    OTLP_INT32,
    OTLP_SINT32,
    OTLP_UINT32,
    OTLP_INT64,
    OTLP_UINT64,
    OTLP_FIXED32,
    OTLP_FIXED64,
    OTLP_SFIXED64,
    OTLP_DOUBLE,
};

struct otlp_message;

/* The names of an enum's values 0, 1, ...; its kind is OTLP_INT32. */
struct otlp_enum {
    const char *const *names;
    size_t count;
};

struct otlp_field {
    const char *name; /* in camelCase */
    size_t name_len;
    unsigned number;
    enum otlp_kind kind;
    bool repeated;
    bool oneof; /* a message has at most one of its fields with this */
    union {
        const struct otlp_message *message; /* for OTLP_MESSAGE */
        const struct otlp_enum *values;     /* for OTLP_INT32: NULL if it is no enum */
    };
};

struct otlp_message {
    const struct otlp_field *fields;
    size_t count; /* at most OTLP_SCHEMA_FIELDS_MAX */
};

enum { OTLP_SCHEMA_FIELDS_MAX = 31 };

/* ExportTraceServiceRequest or ExportLogsServiceRequest. */
const struct otlp_message *otlp_schema_request(enum spool_signal signal);

/* ExportMetricsServiceRequest. */
const struct otlp_message *otlp_schema_metrics_request(void);

/*
 * The field that the member's name `name` is in the message, or NULL: in camelCase, or as the
 * .proto files have it (snake_case), escapes as they stand. *hint, 0 before the first call, makes
 * finding members in their usual order cheap.
 */
const struct otlp_field *otlp_schema_field(const struct otlp_message *message, struct text name,
                                           size_t *hint);

#endif
