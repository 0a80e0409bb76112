/*
 * The values of a log line as OTLP's AnyValue, written into a request's body.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_LOG_VALUE_H
#define METRICS_AGENT_EXPORT_OTLP_LOG_VALUE_H

#include "lib/base/json_writer.h"
#include "lib/base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define PUT(body, literal) json_writer_bytes(body, literal, sizeof(literal) - 1)

static inline bool otlp_log_value_is_string(struct text value)
{
    return value.len >= 2 && value.at[0] == '"';
}

static inline struct text otlp_log_value_unquoted(struct text value)
{
    return (struct text){value.at + 1, value.len - 2};
}

/* Whether each escape of the line is one that JSON has. */
bool otlp_log_value_escapes(struct text line);

/*
 * Writes the content of a string of a line with good escapes. Half a surrogate pair, for which some
 * parsers would refuse the whole request, becomes U+FFFD. `plain` says that there is no backslash.
 */
void otlp_log_value_text(struct json_writer *body, struct text content, bool plain);

/*
 * Writes an AnyValue; a number beyond a double's range is a string. Returns 0, or -1 for what is no
 * JSON value.
 */
int otlp_log_value_put(struct json_writer *body, struct text value, bool plain);

#endif
