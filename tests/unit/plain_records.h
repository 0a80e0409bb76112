/*
 * Spans and log lines the plain way, over plain_json.h: the reference for lib/trace/span.c,
 * lib/trace/log.c, lib/trace/attribute.c and what they take from lib/base.
 */
#ifndef TESTS_UNIT_PLAIN_RECORDS_H
#define TESTS_UNIT_PLAIN_RECORDS_H

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/log_level.h"
#include "lib/trace/attribute.h"
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/span.h"
#include "tests/unit/plain_json.h"

enum {
    PLAIN_NS_PER_SECOND = 1000000000,
    PLAIN_SECONDS_PER_DAY = 86400,
};

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar. */
static inline void plain_civil(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    /* Eras of 400 years begin on 1 March, so that the leap day is a year's last. */
    const uint64_t shifted = (uint64_t)(days + 719468);
    const uint64_t era = shifted / 146097;
    const unsigned of_era = (unsigned)(shifted - era * 146097);
    const unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted_month = (5 * of_year + 2) / 153;

    *day = of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = (unsigned)(era * 400) + year_of_era + (*month <= 2);
}

static inline void plain_digits(char *out, unsigned value, size_t digits)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static inline void plain_iso8601(char out[CLOCK_ISO8601_SIZE], uint64_t unix_ns)
{
    uint64_t seconds = unix_ns / PLAIN_NS_PER_SECOND;
    unsigned ms = (unsigned)(unix_ns % PLAIN_NS_PER_SECOND / CLOCK_NS_PER_MS);
    unsigned year, month, day, of_day;

    if (seconds > UINT64_C(253402300799)) {
        seconds = UINT64_C(253402300799);
        ms = 999;
    }
    plain_civil((int64_t)(seconds / PLAIN_SECONDS_PER_DAY), &year, &month, &day);
    of_day = (unsigned)(seconds % PLAIN_SECONDS_PER_DAY);
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_ISO8601_SIZE);
    plain_digits(out, year, 4);
    plain_digits(out + 5, month, 2);
    plain_digits(out + 8, day, 2);
    plain_digits(out + 11, of_day / 3600, 2);
    plain_digits(out + 14, of_day / 60 % 60, 2);
    plain_digits(out + 17, of_day % 60, 2);
    plain_digits(out + 20, ms, 3);
}

static inline void plain_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 0x0f];
    }
}

static inline size_t plain_kept(size_t length)
{
    return length < ATTRIBUTE_STRING_MAX ? length : ATTRIBUTE_STRING_MAX;
}

/* RFC 4648, section 4. */
static inline void plain_write_base64(struct plain_json *w, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *const in = (const unsigned char *)text;

    plain_json_literal(w, "\"", false);
    for (size_t i = 0; i < length; i += 3) {
        const size_t left = length - i;
        const unsigned bits = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                              (left > 2 ? in[i + 2] : 0);
        const char out[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             left > 1 ? digits[bits >> 6 & 63] : '=',
                             left > 2 ? digits[bits & 63] : '='};

        plain_json_bytes(w, out, sizeof(out));
    }
    plain_json_literal(w, "\"", true);
}

/* JSON has no number for some; protobuf's JSON mapping has these texts. */
static inline void plain_write_double(struct plain_json *w, double value)
{
    if (isfinite(value))
        plain_json_double(w, value);
    else if (isnan(value))
        plain_json_literal(w, "\"NaN\"", true);
    else
        plain_json_string(w, value > 0 ? "Infinity" : "-Infinity");
}

static inline void plain_attribute_otlp(struct plain_json *w, const struct attribute *attribute)
{
    if (attribute_is_absent(attribute))
        return;
    if (w->comma)
        plain_json_bytes(w, ",", 1);
    plain_json_literal(w, "{\"key\":", false);
    plain_json_string(w, attribute->key);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_JSON:
        plain_json_literal(w, ",\"value\":{\"stringValue\":", false);
        plain_json_string_n(w, attribute->string, plain_kept(attribute->length));
        break;
    case ATTRIBUTE_BYTES:
        plain_json_literal(w, ",\"value\":{\"bytesValue\":", false);
        plain_write_base64(w, attribute->string, plain_kept(attribute->length));
        break;
    case ATTRIBUTE_INT:
        /* OTLP/JSON writes 64-bit integers as decimal strings (protobuf's JSON mapping). */
        plain_json_literal(w, ",\"value\":{\"intValue\":\"", false);
        plain_json_int(w, attribute->integer);
        plain_json_bytes(w, "\"", 1);
        break;
    case ATTRIBUTE_DOUBLE:
        plain_json_literal(w, ",\"value\":{\"doubleValue\":", false);
        plain_write_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        plain_json_literal(w, ",\"value\":{\"boolValue\":", false);
        plain_json_bool(w, attribute->boolean);
        break;
    }
    plain_json_literal(w, "}}", true);
}

static inline void plain_attribute_member(struct plain_json *w, const struct attribute *attribute)
{
    if (attribute_is_absent(attribute))
        return;
    plain_json_key(w, attribute->key);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
        plain_json_string_n(w, attribute->string, plain_kept(attribute->length));
        break;
    case ATTRIBUTE_BYTES:
        plain_write_base64(w, attribute->string, plain_kept(attribute->length));
        break;
    case ATTRIBUTE_JSON:
        plain_json_raw_value(w, attribute->string, attribute->length);
        break;
    case ATTRIBUTE_INT:
        plain_json_int(w, attribute->integer);
        break;
    case ATTRIBUTE_DOUBLE:
        plain_write_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        plain_json_bool(w, attribute->boolean);
        break;
    }
}

static inline void plain_write_hex(struct plain_json *w, const uint8_t *bytes, size_t len)
{
    char hex[IDS_TRACE_HEX];

    plain_hex(hex, bytes, len);
    plain_json_bytes(w, hex, 2 * len);
}

static inline void plain_write_status(struct plain_json *w, const struct span *span)
{
    plain_json_literal(w, ",\"status\":{", false);
    if (span->status_message != NULL) {
        plain_json_key(w, "message");
        plain_json_string(w, span->status_message);
    }
    if (span->status != SPAN_STATUS_UNSET) {
        plain_json_key(w, "code");
        plain_json_uint(w, span->status);
    }
    plain_json_literal(w, "}", true);
}

static inline void plain_write_list(struct plain_json *w, const struct span_list *list)
{
    if (list->length > 0)
        plain_json_raw_value(w, list->json, list->length);
}

static inline void plain_write_dropped(struct plain_json *w, const char *key, unsigned count)
{
    if (count > 0) {
        plain_json_key(w, key);
        plain_json_uint(w, count);
    }
}

static inline void plain_write_object(struct plain_json *w, const struct span *span)
{
    unsigned flags = (span->context.flags & TRACE_CONTEXT_WIRE) | 0x100;

    if (span->parent_is_remote)
        flags |= 0x200;
    plain_json_literal(w, "{\"traceId\":\"", false);
    plain_write_hex(w, span->context.trace_id.bytes, sizeof(span->context.trace_id.bytes));
    plain_json_literal(w, "\",\"spanId\":\"", false);
    plain_write_hex(w, span->context.span_id.bytes, sizeof(span->context.span_id.bytes));
    plain_json_bytes(w, "\"", 1);
    if (span->context.state[0] != '\0') {
        plain_json_literal(w, ",\"traceState\":", false);
        plain_json_string(w, span->context.state);
    }
    if (!ids_span_is_zero(&span->parent)) {
        plain_json_literal(w, ",\"parentSpanId\":\"", false);
        plain_write_hex(w, span->parent.bytes, sizeof(span->parent.bytes));
        plain_json_bytes(w, "\"", 1);
    }
    plain_json_literal(w, ",\"flags\":", false);
    plain_json_uint(w, flags);
    plain_json_literal(w, ",\"name\":", false);
    plain_json_string(w, span->name);
    plain_json_literal(w, ",\"kind\":", false);
    plain_json_uint(w, span->kind);
    plain_json_literal(w, ",\"startTimeUnixNano\":\"", false);
    plain_json_uint(w, span->start_ns);
    plain_json_literal(w, "\",\"endTimeUnixNano\":\"", false);
    plain_json_uint(w, span->end_ns);
    plain_json_literal(w, "\",\"attributes\":[", false);
    for (unsigned i = 0; i < span->attribute_count; i++)
        plain_attribute_otlp(w, &span->attributes[i]);
    plain_write_list(w, &span->written_attributes);
    plain_json_literal(w, "]", true);
    plain_write_dropped(w, "droppedAttributesCount",
                        span->dropped_attributes + span->written_attributes.dropped);
    if (span->events.length > 0) {
        plain_json_literal(w, ",\"events\":[", false);
        plain_write_list(w, &span->events);
        plain_json_literal(w, "]", true);
    }
    plain_write_dropped(w, "droppedEventsCount", span->events.dropped);
    plain_write_status(w, span);
    plain_json_literal(w, "}", true);
}

static inline void plain_span(const struct span *span, const struct resource *resource,
                              const struct scope *scope, struct plain_json *w)
{
    if (!span->recording)
        return;
    assert(span->end_ns != 0);
    plain_json_literal(w, "{\"resourceSpans\":[{\"resource\":", false);
    plain_json_bytes(w, resource->json, resource->length);
    plain_json_literal(w, ",\"scopeSpans\":[{\"scope\":", false);
    plain_json_bytes(w, scope->json, scope->length);
    plain_json_literal(w, ",\"spans\":[", false);
    plain_write_object(w, span);
    plain_json_literal(w, "]}]}]}\n", false);
}

static inline bool plain_has_member(const char *key)
{
    static const char *const taken[] = {"asctime",    "levelname", "name",    "message",
                                        "request_id", "trace_id",  "span_id", "resource"};

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (key[0] == taken[i][0] && strcmp(key, taken[i]) == 0)
            return true;
    }
    return false;
}

static inline void plain_write_field(struct plain_json *w, const struct attribute *field)
{
    struct attribute renamed = *field;
    char key[sizeof("field.request_id")];

    if (plain_has_member(field->key)) {
        (void)snprintf(key, sizeof(key), "field.%s", field->key);
        renamed.key = key;
    }
    plain_attribute_member(w, &renamed);
}

static inline void plain_log(struct plain_json *w, uint64_t unix_ns, enum log_level level,
                             const char *name, const char *message,
                             const struct log_context *context, const struct attribute *fields,
                             size_t field_count, const struct resource *resource)
{
    const struct trace_context *trace = context != NULL ? context->trace : NULL;
    const char *request_id = context != NULL ? context->request_id : NULL;
    char time[CLOCK_ISO8601_SIZE];

    plain_iso8601(time, unix_ns);
    plain_json_literal(w, "{\"asctime\":\"", false);
    plain_json_bytes(w, time, CLOCK_ISO8601_SIZE - 1);
    plain_json_literal(w, "\",\"levelname\":", false);
    plain_json_string(w, log_level_name(level));
    plain_json_literal(w, ",\"name\":", false);
    plain_json_string(w, name);
    plain_json_literal(w, ",\"message\":", false);
    plain_json_string(w, message);
    plain_json_literal(w, ",\"request_id\":", false);
    plain_json_string(w, request_id != NULL ? request_id : "");
    plain_json_literal(w, ",\"trace_id\":\"", false);
    if (trace != NULL)
        plain_write_hex(w, trace->trace_id.bytes, sizeof(trace->trace_id.bytes));
    plain_json_literal(w, "\",\"span_id\":\"", false);
    if (trace != NULL)
        plain_write_hex(w, trace->span_id.bytes, sizeof(trace->span_id.bytes));
    plain_json_literal(w, "\"", true);
    for (size_t i = 0; i < field_count; i++)
        plain_write_field(w, &fields[i]);
    if (resource != NULL) {
        plain_json_literal(w, ",\"resource\":", false);
        plain_json_bytes(w, resource->members, resource->members_length);
    }
    plain_json_literal(w, "}\n", false);
}

#endif
