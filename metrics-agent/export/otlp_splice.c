#include "metrics-agent/export/otlp_splice.h"

#include "lib/base/json_writer.h"

#include <string.h>

struct otlp_record otlp_splice_record(const struct spool_lines *batch, const char *window,
                                      const struct spool_line *item)
{
    return (struct otlp_record){
        .text = window + item->start,
        .length = item->length,
        .head = item->form == SPOOL_FORM_RECORD ? &batch->heads[item->head].around : NULL,
        .is_line = item->form == SPOOL_FORM_LINE};
}

static void put(struct json_writer *body, const char *text)
{
    json_writer_bytes(body, text, strlen(text));
}

static void put_members(struct json_writer *body, const struct text members[2])
{
    for (int i = 0; i < 2; i++) {
        if (members[i].len == 0)
            continue;
        json_writer_bytes(body, members[i].at, members[i].len);
        put(body, ",");
    }
}

/* `{...,"scopeSpans":[{...,"spans":[` */
static void open_list(struct json_writer *body, const struct spool_signal_words *words,
                      const struct spool_head *head)
{
    put(body, "{");
    put_members(body, head->resource);
    put(body, "\"");
    put(body, words->scopes);
    put(body, "\":[{");
    put_members(body, head->scope);
    put(body, "\"");
    put(body, words->records);
    put(body, "\":[");
}

static const char list_end[] = "]}]}", request_end[] = "]}";

size_t otlp_splice(char *out, size_t cap, size_t len, enum spool_signal signal,
                   const struct otlp_record *records, size_t count)
{
    const struct spool_signal_words *const words = &spool_signal_words[signal];
    const struct spool_head *open = NULL;
    struct json_writer body;

    json_writer_init(&body, out, cap);
    if (len > 0) {
        body.len = len - strlen(request_end);
    } else {
        put(&body, "{\"");
        put(&body, words->resources);
        put(&body, "\":[");
    }
    for (size_t i = 0; i < count; i++) {
        const struct otlp_record *const record = &records[i];

        if (record->is_line)
            continue;
        if (open != NULL && record->head == open) {
            put(&body, ",");
        } else {
            if (open != NULL)
                put(&body, list_end);
            if (body.len > 0 && body.buf[body.len - 1] != '[')
                put(&body, ",");
            if (record->head != NULL)
                open_list(&body, words, record->head);
            open = record->head;
        }
        json_writer_bytes(&body, record->text, record->length);
    }
    if (open != NULL)
        put(&body, list_end);
    put(&body, request_end);
    return body.overflow ? 0 : body.len;
}
