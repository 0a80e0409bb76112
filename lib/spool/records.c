#include "lib/spool/records.h"

#include "lib/base/json_walk.h"

#include <stddef.h>

struct walk {
    const struct spool_signal_words *words;
    enum spool_signal signal;
    spool_records_take *take;
    void *context;
    struct spool_head head;
    bool broken; /* it is not JSON */
};

/* An object around one of its members, which is a list. */
struct around {
    struct text before, after, list; /* list: nothing if there is none, or it is null */
    bool regular;                    /* it is an object, with one such member at most, and a list */
    bool plain;                      /* it has no other members than those that say who it is */
    bool broken;                     /* it is not JSON */
};

static bool is_separator(char c)
{
    return text_is_blank(c) || c == '\r' || c == ',';
}

/* What is between the two, without the commas that separate it from the member taken out. */
static struct text between(const char *from, const char *to)
{
    while (from < to && is_separator(*from))
        from++;
    while (to > from && is_separator(to[-1]))
        to--;
    return (struct text){from, (size_t)(to - from)};
}

static struct around take_apart(struct text object, const char *name)
{
    struct around found = {.regular = true, .plain = true};
    struct text key, value;
    const char *at = NULL;
    const char *const end = object.at + object.len - 1;

    if (object.at[0] != '{') {
        found.regular = false;
        return found;
    }
    found.before = between(object.at + 1, end);
    while (json_walk_next(object, &at, &key, &value)) {
        if (!json_walk_is_member(key, name)) {
            found.plain =
                found.plain && (json_walk_is(key, "resource") || json_walk_is(key, "scope") ||
                                json_walk_is_member(key, "schemaUrl"));
            continue;
        }
        found.regular = found.regular && found.after.at == NULL &&
                        (value.at[0] == '[' || json_walk_is(value, "null"));
        if (value.at[0] == '[')
            found.list = value;
        found.before = between(object.at + 1, key.at - 1);
        found.after = between(value.at + value.len, end);
    }
    found.broken = !json_walk_ended(object, at);
    return found;
}

/* The last member of that name. */
static struct text member_of(struct text message, const char *name)
{
    struct text found = {NULL, 0}, key, value;
    const char *at = NULL;

    while (json_walk_next(message, &at, &key, &value)) {
        if (json_walk_is_member(key, name))
            found = value;
    }
    return found;
}

/* What OTLP counts of a metric: its data points. */
static uint32_t points_of(struct text metric)
{
    static const char *const kinds[] = {"gauge", "sum", "histogram", "exponentialHistogram",
                                        "summary"};
    uint32_t points = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct text list = member_of(member_of(metric, kinds[i]), "dataPoints");
        const char *at = NULL;
        struct text point;

        while (json_walk_next(list, &at, NULL, &point))
            points++;
    }
    return points > 0 ? points : 1;
}

/* The next element of a list; w->broken is set where it does not go on as it should. */
static bool next_element(struct walk *w, struct text list, const char **at, struct text *element)
{
    if (w->broken || list.at == NULL)
        return false;
    if (json_walk_next(list, at, NULL, element))
        return true;
    w->broken = !json_walk_ended(list, *at);
    return false;
}

/* Whether the parts of all scopes can be told apart. */
static bool all_regular(struct walk *w, struct text scopes)
{
    const char *at = NULL;
    struct text scope;

    while (next_element(w, scopes, &at, &scope)) {
        const struct around found = take_apart(scope, w->words->records);

        w->broken = w->broken || found.broken;
        if (!found.regular || (found.list.at == NULL && !found.plain))
            return false;
    }
    return true;
}

static void walk_scope(struct walk *w, struct text scope)
{
    const struct around found = take_apart(scope, w->words->records);
    struct spool_record record = {.head = &w->head, .list = found.list};
    const char *at = NULL;

    w->head.scope[0] = found.before;
    w->head.scope[1] = found.after;
    while (next_element(w, found.list, &at, &record.text)) {
        record.count = w->signal == SPOOL_METRICS ? points_of(record.text) : 1;
        w->take(w->context, &record);
    }
}

static void walk_resource(struct walk *w, struct text element)
{
    const struct around found = take_apart(element, w->words->scopes);
    const char *at = NULL;
    struct text scope;

    const bool regular =
        found.regular && (found.list.at != NULL || found.plain) && all_regular(w, found.list);

    w->broken = w->broken || found.broken;
    if (w->broken)
        return;
    if (!regular) {
        w->take(w->context, &(struct spool_record){.text = element, .count = 1});
        return;
    }
    w->head.resource[0] = found.before;
    w->head.resource[1] = found.after;
    while (next_element(w, found.list, &at, &scope))
        walk_scope(w, scope);
}

int spool_records_walk(enum spool_signal signal, struct text line, spool_records_take *take,
                       void *context)
{
    struct walk w = {
        .words = &spool_signal_words[signal], .signal = signal, .take = take, .context = context};
    struct text key, value, element;
    const char *at = NULL;
    bool found = false;

    while (json_walk_next(line, &at, &key, &value)) {
        if (!json_walk_is_member(key, w.words->resources))
            continue;
        if (value.at[0] != '[' && !json_walk_is(value, "null"))
            return -1;
        found = true;
    }
    if (!json_walk_ended(line, at))
        return -1;
    for (at = NULL; found && json_walk_next(line, &at, &key, &value);) {
        const char *inner = NULL;

        if (value.at[0] != '[' || !json_walk_is_member(key, w.words->resources))
            continue;
        while (next_element(&w, value, &inner, &element))
            walk_resource(&w, element);
    }
    return found && !w.broken ? 0 : -1;
}
