#include "cli/expect_match.h"

#include "lib/base/json_plain.h"
#include "lib/base/json_walk.h"
#include "lib/base/log_level.h"
#include "lib/base/printable.h"
#include "view/otlp_plain.h"

#include <stdlib.h>
#include <string.h>

enum {
    COMPARED_MAX = 256 << 10, /* bytes of an array or object that is compared */
    LEVEL_NAME_MAX = 16,
    SHOWN_MAX = 400, /* bytes of a value that a message shows */
};

#define REQUEST_ATTRIBUTE "microtrace.request_id"

int expect_match_add(struct expect_match *match, struct expect_condition condition)
{
    if (match->count == EXPECT_MATCH_MAX)
        return -1;
    match->conditions[match->count++] = condition;
    return 0;
}

/* --- Values --- */

static bool same_number(const char *typed, struct text value)
{
    const struct text number = text_of(typed);
    double one, other;

    /* Of more digits than a double has, each counts. */
    if (json_walk_number(number) == JSON_NUMBER_WHOLE &&
        json_walk_number(value) == JSON_NUMBER_WHOLE)
        return text_is(value, typed);
    return json_walk_double(number, &one) == 0 && json_walk_double(value, &other) == 0 &&
           one == other;
}

static bool same_structure(const char *typed, struct text value)
{
    static char one[COMPARED_MAX], other[COMPARED_MAX];
    const struct text text = text_of(typed);
    struct json_writer first, second;
    struct json_fault fault;

    if (!json_walk_valid(text, false, &fault))
        return false;
    json_writer_init(&first, one, sizeof(one));
    json_writer_init(&second, other, sizeof(other));
    otlp_plain_write(&first, text_trim(text));
    otlp_plain_write(&second, value);
    return !first.overflow && !second.overflow && first.len == second.len &&
           memcmp(one, other, first.len) == 0;
}

bool expect_match_equal(const char *typed, struct text value)
{
    if (value.len == 0)
        return false;
    switch (value.at[0]) {
    case '"':
        return json_walk_is(json_walk_string(value), typed);
    case '[':
    case '{':
        return same_structure(typed, value);
    case 't':
    case 'f':
    case 'n':
        return text_is(value, typed);
    default:
        return same_number(typed, value);
    }
}

static bool same_level(const char *typed, struct text value)
{
    const struct text text = json_walk_string(value);
    enum log_level one, other;
    char name[LEVEL_NAME_MAX];

    if (text.at == NULL || text.len >= sizeof(name))
        return false;
    memcpy(name, text.at, text.len);
    name[text.len] = '\0';
    return log_level_parse(typed, &one) == 0 && log_level_parse(name, &other) == 0 && one == other;
}

/* --- Records --- */

/* What the record has for the condition; nothing if that is missing. */
static struct text value_of(const struct expect_condition *condition, struct text record)
{
    const char *const around =
        condition->kind == EXPECT_MATCH_ATTRIBUTE || condition->kind == EXPECT_MATCH_FIELD
            ? "resource"
            : NULL;
    const bool attribute =
        condition->kind == EXPECT_MATCH_ATTRIBUTE || condition->kind == EXPECT_MATCH_REQUEST;
    struct text value =
        json_walk_get(attribute ? json_walk_get(record, "attributes") : record, condition->key);

    if (value.at == NULL && around != NULL)
        value = json_walk_get(json_walk_get(record, around), condition->key);
    return value;
}

static bool known_trace(const struct expect_match *match, struct text trace)
{
    const size_t count =
        match->learned < EXPECT_MATCH_TRACES ? match->learned : EXPECT_MATCH_TRACES;

    if (trace.len != EXPECT_MATCH_TRACE_ID)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(match->traces[i], trace.at, EXPECT_MATCH_TRACE_ID) == 0)
            return true;
    }
    return false;
}

static struct text trace_of(struct text record)
{
    return json_walk_string(json_walk_get(record, "trace_id"));
}

bool expect_match_learn(struct expect_match *match, struct text record)
{
    for (size_t i = 0; i < match->count; i++) {
        const struct expect_condition *const condition = &match->conditions[i];
        struct text trace;

        if (condition->kind != EXPECT_MATCH_REQUEST ||
            !expect_match_equal(condition->value, value_of(condition, record)))
            continue;
        trace = trace_of(record);
        if (trace.len != EXPECT_MATCH_TRACE_ID || known_trace(match, trace))
            return false;
        memcpy(match->traces[match->learned++ % EXPECT_MATCH_TRACES], trace.at, trace.len);
        return true;
    }
    return false;
}

static bool meets(const struct expect_match *match, const struct expect_condition *condition,
                  struct text record, struct text value)
{
    switch (condition->kind) {
    case EXPECT_MATCH_LEVEL:
        return same_level(condition->value, value);
    case EXPECT_MATCH_REQUEST:
        return expect_match_equal(condition->value, value) || known_trace(match, trace_of(record));
    case EXPECT_MATCH_MEMBER:
    case EXPECT_MATCH_ATTRIBUTE:
    case EXPECT_MATCH_FIELD:
        break;
    }
    return expect_match_equal(condition->value, value);
}

uint64_t expect_match_met(const struct expect_match *match, struct text record)
{
    uint64_t met = 0;

    for (size_t i = 0; i < match->count; i++) {
        const struct expect_condition *const condition = &match->conditions[i];

        if (meets(match, condition, record, value_of(condition, record)))
            met |= UINT64_C(1) << i;
    }
    return met;
}

/* Members that are in plain JSON what they are in the record, and not numbers. */
static bool is_literal(const struct expect_condition *condition)
{
    const struct text value = text_of(condition->value);

    return condition->kind == EXPECT_MATCH_MEMBER &&
           (strcmp(condition->key, "name") == 0 || strcmp(condition->key, "message") == 0 ||
            strcmp(condition->key, "request_id") == 0) &&
           value.len > 0 && value.at[0] != '[' && value.at[0] != '{' &&
           json_walk_number(value) == JSON_NUMBER_NONE &&
           json_plain_skip(value.at, value.at + value.len) == value.at + value.len;
}

const char *expect_match_probe(const struct expect_match *match)
{
    const char *probe = NULL;

    for (size_t i = 0; i < match->count; i++) {
        /* Those that tell a request's trace need not meet the other conditions. */
        if (match->conditions[i].kind == EXPECT_MATCH_REQUEST)
            return NULL;
        if (is_literal(&match->conditions[i]))
            probe = match->conditions[i].value;
    }
    return probe;
}

bool expect_match_all(const struct expect_match *match, uint64_t met)
{
    return (size_t)__builtin_popcountll(met) == match->count;
}

/* --- Words --- */

static void put_value(FILE *to, struct text value)
{
    size_t len = value.len;

    if (len > SHOWN_MAX) {
        len = SHOWN_MAX;
        while (len > 0 && ((unsigned char)value.at[len] & 0xc0) == 0x80)
            len--;
    }
    printable_write(to, value.at, len);
    if (len < value.len)
        (void)fputs("...", to);
}

void expect_match_explain(FILE *to, const struct expect_match *match, struct text record)
{
    for (size_t i = 0; i < match->count; i++) {
        const struct expect_condition *const condition = &match->conditions[i];
        const struct text value = value_of(condition, record);

        (void)fputs("  ", to);
        printable_write(to, condition->shown, strlen(condition->shown));
        if (meets(match, condition, record, value)) {
            (void)fputs(": ", to);
            put_value(to, text_of(condition->value));
            (void)fputs(", as expected\n", to);
            continue;
        }
        (void)fputs(": expected ", to);
        put_value(to, text_of(condition->value));
        (void)fputs(value.at != NULL ? ", it is " : ", there is none", to);
        put_value(to, value);
        (void)fputc('\n', to);
    }
}
