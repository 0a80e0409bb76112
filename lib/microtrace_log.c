#include "lib/microtrace_private.h"

#include <microtrace.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 64, KEY_MAX = 32 };

/* Keys of a log line that are not a field's (docs/spool.md). */
static const char *const taken[] = {"asctime",    "levelname", "name",    "message",
                                    "request_id", "trace_id",  "span_id", "resource"};

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

/* A field of a taken name goes by "field.NAME", written to `room`. */
static const char *field_key(const char *key, char room[KEY_MAX])
{
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(key, taken[i]) == 0) {
            (void)snprintf(room, KEY_MAX, "field.%s", key);
            return room;
        }
    }
    return key;
}

bool mt_log_enabled(const struct mt *mt, enum mt_level level)
{
    return mt != NULL && telemetry_log_enabled(mt->telemetry, (enum log_level)level);
}

void mt_log(struct mt *mt, const struct mt_span *span, enum mt_level level, const char *logger,
            const char *message, const struct mt_attribute *fields, size_t count)
{
    const struct log_context context = microtrace_log_context(span);
    struct attribute converted[FIELDS_MAX];
    char keys[FIELDS_MAX][KEY_MAX];
    size_t kept = 0;

    if (!mt_log_enabled(mt, level))
        return;
    for (size_t i = 0; fields != NULL && i < count && kept < FIELDS_MAX; i++) {
        struct attribute *const field = &converted[kept];

        if (fields[i].key == NULL || fields[i].key[0] == '\0')
            continue;
        *field = microtrace_attribute(&fields[i]);
        field->key = field_key(fields[i].key, keys[kept++]);
    }
    pthread_mutex_lock(&mt->lock);
    telemetry_log(mt->telemetry, (enum log_level)level, logger != NULL ? logger : mt->name,
                  message != NULL ? message : "", &context, converted, kept);
    pthread_mutex_unlock(&mt->lock);
}
