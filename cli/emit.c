#include "cli/emit.h"

#include "cli/instance.h"
#include "lib/base/message.h"
#include "lib/base/printable.h"
#include "lib/base/request_id.h"
#include "lib/trace/propagation.h"

#include <stdlib.h>
#include <string.h>

/* A process has one command, and a command one instance. */
static bool is_missing;

/* --- KEY=VALUE --- */

int emit_pairs_parse(void *member, const char *text)
{
    struct emit_pairs *const pairs = member;
    const char *const equals = strchr(text, '=');
    size_t i = 0;
    char *key;

    if (equals == NULL || equals == text)
        return -1;
    key = strndup(text, (size_t)(equals - text));
    if (key == NULL)
        return -1;
    while (i < pairs->count && strcmp(pairs->at[i].key, key) != 0)
        i++;
    if (i == EMIT_PAIRS_MAX) {
        free(key);
        return -1;
    }
    if (i == pairs->count)
        pairs->count++;
    else
        free(pairs->at[i].key);
    pairs->at[i] = (struct emit_pair){key, equals + 1};
    return 0;
}

const char *emit_pairs_find(const struct emit_pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->at[i].key, key) == 0)
            return pairs->at[i].value;
    }
    return NULL;
}

/* --- The instance --- */

int emit_choose(const char *state)
{
    is_missing = instance_choose(state) != 0;
    return 0;
}

void emit_settings(struct emit *emit)
{
    char error[CONFIG_ERROR_MAX];

    *emit = (struct emit){.service = {"microtrace", MICROTRACE_VERSION, NULL}};
    for (size_t i = 0; i < telemetry_settings_count; i++) {
        const struct config_setting *const row = &telemetry_settings_rows[i];

        if (config_load(row, 1, &emit->settings, message_say, error) != 0) {
            message_say(error);
            (void)config_read(row, NULL, &emit->settings, error);
        }
    }
    emit->settings.run_dir = instance_run_dir();
    emit->settings.spool_dir = instance_spool_dir();
    emit->settings.losses = is_missing ? TELEMETRY_LOSSES_KNOWN : TELEMETRY_LOSSES_SAID;
    config_warn(propagation_parse(&emit->propagators, config_get("OTEL_PROPAGATORS")));
}

void emit_open(struct emit *emit)
{
    emit_settings(emit);
    emit->telemetry = telemetry_open(&emit->settings, &emit->service);
    if (emit->telemetry == NULL)
        message_say("out of memory: nothing is recorded");
}

void emit_flush(struct emit *emit)
{
    if (emit->telemetry != NULL && telemetry_flush(emit->telemetry) != 0)
        emit->settings.losses = TELEMETRY_LOSSES_KNOWN;
}

void emit_close(struct emit *emit)
{
    telemetry_close(emit->telemetry);
    emit->telemetry = NULL;
}

bool emit_parent(const struct emit *emit, struct trace_context *parent)
{
    const struct propagation_carrier carrier = {
        .traceparent = getenv("TRACEPARENT"),
        .tracestate = getenv("TRACESTATE"),
        .b3 = getenv("B3"),
        .b3_trace_id = getenv("X_B3_TRACEID"),
        .b3_span_id = getenv("X_B3_SPANID"),
        .b3_sampled = getenv("X_B3_SAMPLED"),
        .b3_flags = getenv("X_B3_FLAGS"),
        .uber_trace_id = getenv("UBER_TRACE_ID"),
    };

    return propagation_extract(emit->propagators, &carrier, parent);
}

const char *emit_request_id(void)
{
    const char *const id = getenv("HTTP_X_REQUEST_ID");

    return request_id_is_valid(id) ? id : NULL;
}

void emit_name(char *out, size_t size, const char *name)
{
    out[printable_copy(out, size - 1, name, strlen(name))] = '\0';
}

/* --- Attributes --- */

static void add(struct emit_attributes *attributes, const struct attribute *attribute)
{
    const struct json_writer before = attributes->writer;

    attribute_write_otlp(&attributes->writer, attribute);
    if (!attributes->writer.overflow)
        return;
    attributes->writer = before;
    attributes->dropped++;
}

void emit_attributes_init(struct emit_attributes *attributes, const struct emit_pairs *pairs)
{
    attributes->pairs = pairs;
    attributes->dropped = 0;
    json_writer_init(&attributes->writer, attributes->json, sizeof(attributes->json));
    for (size_t i = 0; i < pairs->count; i++) {
        const struct attribute attribute = attribute_string(pairs->at[i].key, pairs->at[i].value);

        add(attributes, &attribute);
    }
}

void emit_attributes_add(struct emit_attributes *attributes, struct attribute attribute)
{
    if (!attribute_is_absent(&attribute) &&
        emit_pairs_find(attributes->pairs, attribute.key) == NULL)
        add(attributes, &attribute);
}

void emit_attributes_add_strings(struct emit_attributes *attributes, const char *key,
                                 char *const *values)
{
    static const char tail[] = "]}}}";
    struct json_writer *const w = &attributes->writer;

    if (emit_pairs_find(attributes->pairs, key) != NULL)
        return;
    w->cap -= sizeof(tail);
    json_writer_begin_object(w);
    json_writer_key_string(w, "key", key);
    json_writer_key(w, "value");
    json_writer_begin_object(w);
    json_writer_key(w, "arrayValue");
    json_writer_begin_object(w);
    json_writer_key(w, "values");
    json_writer_begin_array(w);
    for (; *values != NULL && !w->overflow; values++) {
        const struct json_writer before = *w;
        const size_t length = strnlen(*values, ATTRIBUTE_STRING_MAX);

        json_writer_begin_object(w);
        json_writer_key(w, "stringValue");
        json_writer_string_n(w, *values, length);
        json_writer_end_object(w);
        if (w->overflow) {
            *w = before;
            break;
        }
    }
    w->cap += sizeof(tail);
    json_writer_end_array(w);
    json_writer_end_object(w);
    json_writer_end_object(w);
    json_writer_end_object(w);
}

void emit_attributes_put(const struct emit_attributes *attributes, struct span *span)
{
    span->written_attributes =
        (struct span_list){attributes->json, attributes->writer.len, attributes->dropped};
}
