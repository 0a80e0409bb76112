#include "cli/record_reader.h"

#include "lib/base/json_walk.h"

#include <string.h>

/* Too large for anything but static memory, of which what is not used is free. */
static struct spool_reader spool;
static struct record_json json;

static void take(void *context, struct text plain)
{
    struct record_reader *const reader = context;

    reader->records++;
    reader->take(reader->context, plain);
}

static bool is_passed_over(const struct record_reader *reader, const struct spool_line *item)
{
    const char *const at = spool.window + item->start;

    return reader->probe != NULL && item->kind == SPOOL_LINE_RECORD &&
           item->form != SPOOL_FORM_ELEMENT &&
           memmem(at, item->length, reader->probe, strlen(reader->probe)) == NULL &&
           !json_walk_escaped((struct text){at, item->length});
}

static void take_items(struct record_reader *reader)
{
    for (size_t i = 0; i < spool.batch.count; i++) {
        const struct spool_line *const item = &spool.batch.items[i];

        if (is_passed_over(reader, item)) {
            reader->records++;
            continue;
        }
        if (item->kind == SPOOL_LINE_RECORD &&
            record_json_each(&json, reader->signal, &spool.batch, spool.window, i, take, reader))
            continue;
        if (item->kind == SPOOL_LINE_RECORD && item->form != SPOOL_FORM_LINE)
            reader->long_ones++;
        else
            reader->broken++;
    }
}

int record_reader_read(struct record_reader *reader, struct spool_cursor *cursor, bool complete)
{
    int result;

    spool.signal = reader->signal;
    while ((result = spool_reader_next(&spool, cursor, complete)) > 0)
        take_items(reader);
    return result;
}
