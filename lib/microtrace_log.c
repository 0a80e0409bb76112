#include "lib/microtrace_private.h"

#include <microtrace.h>

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

static enum log_level level_of(enum mt_level level)
{
    return (unsigned)level <= MT_LOG_CRITICAL ? (enum log_level)level : LOG_LEVEL_CRITICAL;
}

bool mt_log_enabled(const struct mt *mt, enum mt_level level)
{
    return mt != NULL && telemetry_log_enabled(mt->telemetry, level_of(level));
}

void mt_log(struct mt *mt, const struct mt_span *span, enum mt_level level, const char *logger,
            const char *message, const struct mt_attribute *fields, size_t count)
{
    const struct log_context context = microtrace_log_context(span);
    struct attribute converted[FIELDS_MAX];
    size_t kept = 0;

    if (!mt_log_enabled(mt, level))
        return;
    for (size_t i = 0; fields != NULL && i < count && kept < FIELDS_MAX; i++) {
        if (fields[i].key != NULL && fields[i].key[0] != '\0')
            converted[kept++] = microtrace_attribute(&fields[i]);
    }
    pthread_mutex_lock(&mt->lock);
    telemetry_log(mt->telemetry, level_of(level), logger != NULL ? logger : mt->name,
                  message != NULL ? message : "", &context, converted, kept);
    pthread_mutex_unlock(&mt->lock);
}
