#include "lib/microtrace_private.h"
#include "lib/trace/log.h"

#include <microtrace.h>
#include <string.h>

enum { FIELDS_MAX = 64 };

struct attribute microtrace_attribute(const struct mt_attribute *from)
{
    switch (from->type) {
    case MT_TYPE_STRING:
        return attribute_string_n(from->key, from->value.text, from->length);
    case MT_TYPE_BYTES:
        return attribute_bytes(from->key, from->value.text, from->length);
    case MT_TYPE_INT:
        return attribute_int(from->key, from->value.integer);
    case MT_TYPE_DOUBLE:
        return attribute_double(from->key, from->value.number);
    case MT_TYPE_BOOL:
        return attribute_bool(from->key, from->value.boolean);
    }
    return attribute_string(from->key, NULL);
}

size_t microtrace_attributes(struct attribute *out, size_t max, const struct mt_attribute *from,
                             size_t count, bool (*same)(const char *a, const char *b),
                             unsigned *dropped)
{
    size_t kept = 0;

    *dropped = 0;
    for (size_t i = 0; from != NULL && i < count; i++) {
        const struct attribute attribute = microtrace_attribute(&from[i]);
        size_t at = 0;

        if (attribute.key == NULL || attribute.key[0] == '\0' || attribute_is_absent(&attribute))
            continue;
        while (at < kept && !same(out[at].key, attribute.key))
            at++;
        if (at == max) {
            ++*dropped;
            continue;
        }
        out[at] = attribute;
        kept += at == kept;
    }
    return kept;
}

static enum log_level level_of(enum mt_level level)
{
    return (unsigned)level <= MT_LOG_CRITICAL ? (enum log_level)level : LOG_LEVEL_CRITICAL;
}

bool mt_log_enabled(const struct mt *mt, enum mt_level level)
{
    return mt != NULL && telemetry_log_enabled(mt->telemetry, level_of(level));
}

/* "message" stands in a log line as "field.message". */
static bool becomes(const char *key, const char *renamed)
{
    static const char prefix[] = "field.";

    return strncmp(renamed, prefix, sizeof(prefix) - 1) == 0 &&
           strcmp(renamed + sizeof(prefix) - 1, key) == 0 && log_has_member(key);
}

static bool is_same_field(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || becomes(a, b) || becomes(b, a);
}

void mt_log(struct mt *mt, const struct mt_span *span, enum mt_level level, const char *logger,
            const char *message, const struct mt_attribute *fields, size_t count)
{
    const struct log_context context = microtrace_log_context(span);
    struct attribute converted[FIELDS_MAX];
    unsigned dropped;
    size_t kept;

    if (!mt_log_enabled(mt, level))
        return;
    kept = microtrace_attributes(converted, FIELDS_MAX, fields, count, is_same_field, &dropped);
    pthread_mutex_lock(&mt->lock);
    telemetry_log(mt->telemetry, level_of(level), logger != NULL ? logger : mt->name,
                  message != NULL ? message : "", &context, converted, kept);
    pthread_mutex_unlock(&mt->lock);
}
