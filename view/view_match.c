#include "view/view_match.h"

#include "lib/base/clock.h"
#include "lib/base/json_walk.h"
#include "view/otlp_plain.h"
#include "view/quick_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNESCAPED_MAX = 4096 /* bytes of a text that are looked at, if it has escapes */ };

static const char status_key[] = "status_code";

/* --- What is meant --- */

/* Nanoseconds of "15m", "15 m", "2 hours", "1d"; 0 for anything else. */
static uint64_t read_span_of_time(const char *text)
{
    static const struct {
        char letter;
        unsigned minutes;
    } units[] = {{'m', 1}, {'h', 60}, {'d', 24 * 60}};
    char *unit;
    const unsigned long number = strtoul(text, &unit, 10);

    if (text[0] < '0' || text[0] > '9' || number == 0 || number > 100000)
        return 0;
    unit += strspn(unit, " ");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (unit[0] == units[i].letter && unit[strspn(unit, "abcdefghijklmnopqrstuvwxyz")] == '\0')
            return (uint64_t)number * units[i].minutes * 60 * CLOCK_NS_PER_S;
    }
    return 0;
}

static void cut_blanks(char *word)
{
    size_t len = strlen(word);

    while (len > 0 && text_is_blank(word[len - 1]))
        word[--len] = '\0';
}

void view_match_parse(struct view_match *match, const char *text)
{
    static const char last[] = "last ";
    const char *const word = match->word;
    char *at;

    *match = (struct view_match){.plain = true};
    (void)snprintf(match->word, sizeof(match->word), "%s", text + strspn(text, " \t"));
    cut_blanks(match->word);
    /* The word may be in a name, too: it counts where a time follows, and nothing else. */
    for (at = match->word; (at = strstr(at, last)) != NULL; at++) {
        const uint64_t within_ns =
            at == word || at[-1] == ' '
                ? read_span_of_time(at + strlen(last) + strspn(at + strlen(last), " "))
                : 0;

        if (within_ns == 0)
            continue;
        match->within_ns = within_ns;
        *at = '\0';
        cut_blanks(match->word);
        break;
    }
    for (const char *c = word; *c != '\0'; c++)
        match->plain = match->plain && (unsigned char)*c >= ' ' && *c != '"' && *c != '\\';
    match->failed = strcmp(word, "error") == 0;
    if (strlen(word) == 3 && word[0] >= '1' && word[0] <= '5') {
        if (strcmp(word + 1, "xx") == 0)
            match->status = (unsigned)(word[0] - '0');
        else if (strspn(word, "0123456789") == 3)
            match->status = (unsigned)strtoul(word, NULL, 10);
    }
}

/* --- Where it may be --- */

static bool has(struct text json, const char *word)
{
    return quick_find(json.at, json.at + json.len, word, strlen(word)) != NULL;
}

/* Whether such a status may be there: as our own writer has it, or in any other way. */
static bool may_have_status(const struct view_match *match, struct text json)
{
    static const char between[] = "\",\"value\":{\"intValue\":\"";
    const size_t before = sizeof(status_key) - 1 + sizeof(between) - 1;
    const size_t digits = match->status < 10 ? 1 : 3; /* that are known */
    const char *at = json.at, *const end = json.at + json.len;

    while ((at = quick_find(at, end, status_key, sizeof(status_key) - 1)) != NULL) {
        if ((size_t)(end - at) < before + digits ||
            memcmp(at + sizeof(status_key) - 1, between, sizeof(between) - 1) != 0 ||
            memcmp(at + before, match->word, digits) == 0)
            return true;
        at++;
    }
    return false;
}

bool view_match_may_be_in(const struct view_match *match, struct text json)
{
    if (match->word[0] == '\0' || !match->plain)
        return true;
    if (match->status > 0 ? may_have_status(match, json) : has(json, match->word))
        return true;
    return (match->failed && has(json, "\"code\"")) || json_walk_escaped(json);
}

/* --- Whether it is there --- */

/* Of a string's content; at most the beginning of one that has escapes. */
static bool contains(struct text content, const char *word)
{
    char plain[UNESCAPED_MAX];
    const char *at = content.at, *const end = content.at + content.len;
    size_t len = 0;

    if (content.at == NULL)
        return false;
    if (memchr(content.at, '\\', content.len) == NULL)
        return memmem(content.at, content.len, word, strlen(word)) != NULL;
    while (at < end && len + UTF8_MAX < sizeof(plain)) {
        if (*at == '\\' && end - at > 1) {
            size_t got;

            at++;
            got = json_walk_unescape(&at, end, plain + len);
            if (got == 0)
                return false;
            len += got;
        } else {
            plain[len++] = *at++;
        }
    }
    return memmem(plain, len, word, strlen(word)) != NULL;
}

static unsigned status_of(struct text value)
{
    const uint64_t status = otlp_plain_uint(otlp_plain_get(value, "intValue"));

    return status >= 100 && status <= 599 ? (unsigned)status : 0;
}

static bool is_status_key(struct text key)
{
    return json_walk_is(key, "http.response.status_code") || json_walk_is(key, "http.status_code");
}

unsigned view_match_http_status(struct text attributes)
{
    struct text element;
    const char *at = NULL;
    unsigned status = 0;

    while (json_walk_next(attributes, &at, NULL, &element)) {
        if (is_status_key(json_walk_string(json_walk_get(element, "key"))))
            status = status_of(json_walk_get(element, "value"));
    }
    return status;
}

static bool fits(const struct view_match *match, struct text key, struct text value)
{
    static const char *const texts[] = {"url.path", "url.full", "http.route"};
    const struct text string = json_walk_string(otlp_plain_get(value, "stringValue"));

    if (match->status > 0) {
        const unsigned status = is_status_key(key) ? status_of(value) : 0;

        return status == match->status || (match->status < 10 && status / 100 == match->status);
    }
    if (json_walk_is(key, "microtrace.request_id"))
        return json_walk_is(string, match->word);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (json_walk_is(key, texts[i]))
            return contains(string, match->word);
    }
    return false;
}

bool view_match_span(const struct view_match *match, const struct view_record_span *span)
{
    struct text element;
    const char *at = NULL;

    if (match->word[0] == '\0' || (match->failed && span->status == VIEW_STATUS_ERROR) ||
        (match->status == 0 && contains(json_walk_string(span->name), match->word)))
        return true;
    while (json_walk_next(span->attributes, &at, NULL, &element)) {
        if (fits(match, json_walk_string(json_walk_get(element, "key")),
                 json_walk_get(element, "value")))
            return true;
    }
    return false;
}
