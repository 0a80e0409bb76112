/*
 * The messages of an OTLP export request as tables: what a member of the JSON mapping is called,
 * which field of the protobuf message it is, and of what type. From opentelemetry-proto 1.x:
 * common/v1, resource/v1, trace/v1, logs/v1 and collector/ * /v1.
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
    OTLP_BOOL,
    OTLP_UINT32,
    OTLP_ENUM,
    OTLP_INT64,
    OTLP_FIXED32,
    OTLP_FIXED64,
    OTLP_DOUBLE,
    OTLP_MESSAGE,
};

struct otlp_message;

struct otlp_field {
    const char *name;
    size_t name_len;
    unsigned number;
    enum otlp_kind kind;
    bool repeated;
    const struct otlp_message *message; /* for OTLP_MESSAGE */
};

struct otlp_message {
    const struct otlp_field *fields;
    size_t count;
};

/* ExportTraceServiceRequest or ExportLogsServiceRequest. */
const struct otlp_message *otlp_schema_request(enum spool_signal signal);

/*
 * The field that `name` is in the message, or NULL. *hint, 0 before the first call, makes finding
 * members in their usual order cheap.
 */
const struct otlp_field *otlp_schema_field(const struct otlp_message *message, struct text name,
                                           size_t *hint);

#endif
