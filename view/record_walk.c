#include "view/record_walk.h"

#include "lib/base/json_walk.h"
#include "view/otlp_plain.h"

#include <string.h>

/* Opens an object again from the members that stand before and after one that was taken out. */
static char *put_members(char *at, const struct text members[2])
{
    *at++ = '{';
    for (int i = 0; i < 2; i++) {
        if (i == 1 && members[0].len > 0 && members[1].len > 0)
            *at++ = ',';
        if (members[i].len > 0)
            at = mempcpy(at, members[i].at, members[i].len);
    }
    *at++ = '}';
    return at;
}

/* Returns false if it is too long; *same is set if it is what was around the record before. */
static bool learn_around(struct record_walk *walk, const struct spool_head *head, bool *same)
{
    char *const next = walk->around[!walk->current];
    size_t most = 6; /* braces and commas */
    const char *scope, *end;

    for (int i = 0; i < 2; i++)
        most += head->resource[i].len + head->scope[i].len;
    if (most > RECORD_WALK_AROUND_MAX)
        return false;
    scope = put_members(next, head->resource);
    end = put_members(next + (scope - next), head->scope);
    *same = walk->known && walk->around_len == (size_t)(end - next) &&
            memcmp(walk->around[walk->current], next, walk->around_len) == 0;
    if (*same)
        return true;
    walk->current = !walk->current;
    walk->around_len = (size_t)(end - next);
    walk->resource = (struct text){next, (size_t)(scope - next)};
    walk->scope = (struct text){scope, (size_t)(end - scope)};
    walk->known = true;
    return true;
}

/* An element of the list of resources: all records in its lists, in the order they stand. */
static bool take_element(enum spool_signal signal, struct record_parts parts,
                         record_walk_take *take, void *context)
{
    const struct spool_signal_words *const words = &spool_signal_words[signal];
    const struct text element = parts.resource = parts.outermost;
    const char *scope_at = NULL;
    bool all = true;

    while (json_walk_next(otlp_plain_get(element, words->scopes), &scope_at, NULL, &parts.scope)) {
        const char *record_at = NULL;

        parts.same = false;
        while (json_walk_next(otlp_plain_get(parts.scope, words->records), &record_at, NULL,
                              &parts.record)) {
            all = take(context, &parts) && all;
            parts.same = true;
        }
    }
    return all;
}

bool record_walk_each(struct record_walk *walk, enum spool_signal signal,
                      const struct spool_lines *batch, const char *window, size_t i,
                      record_walk_take *take, void *context)
{
    const struct spool_line *const item = &batch->items[i];
    const struct text text = {window + item->start, item->length};
    struct record_parts parts = {.record = text, .outermost = text, .number = ++walk->count};
    struct json_fault fault;

    switch ((enum spool_line_form)item->form) {
    case SPOOL_FORM_LINE:
        parts.line = true;
        return signal == SPOOL_LOGS && json_walk_valid(text, false, &fault) &&
               take(context, &parts);
    case SPOOL_FORM_ELEMENT:
        /* The next record's surroundings are not these. */
        walk->known = false;
        return take_element(signal, parts, take, context);
    case SPOOL_FORM_RECORD:
        if (!learn_around(walk, &batch->heads[item->head].around, &parts.same))
            return false;
        parts.resource = walk->resource;
        parts.scope = walk->scope;
        return take(context, &parts);
    }
    return true;
}
