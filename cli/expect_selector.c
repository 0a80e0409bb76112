#include "cli/expect_selector.h"

#include <stdlib.h>
#include <string.h>

enum {
    VALUE_MAX = 4096, /* bytes of a label's value that are compared */
    NUMBER_MAX = 64,  /* bytes of a sample's value */
};

/* ASCII, whatever the locale. */
static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (text_is_blank(*at) || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* The name at *at, which is moved behind it; nothing if there is none. */
static struct text take_name(const char **at, const char *end)
{
    const char *p = *at;
    struct text name = {NULL, 0};

    if (p < end && is_name_start(*p)) {
        while (p < end && (is_name_start(*p) || (*p >= '0' && *p <= '9')))
            p++;
        name = (struct text){*at, (size_t)(p - *at)};
        *at = p;
    }
    return name;
}

/* The quoted value at *at, which is moved behind it, with its quotes; nothing if there is none. */
static struct text take_quoted(const char **at, const char *end)
{
    const char *p = *at;
    struct text quoted = {p, 0};
    char quote;

    if (p == end || (*p != '"' && *p != '\'' && *p != '`'))
        return (struct text){NULL, 0};
    quote = *p++;
    while (p < end && *p != quote)
        p += *p == '\\' && quote != '`' && end - p > 1 ? 2 : 1;
    if (p == end)
        return (struct text){NULL, 0};
    *at = p + 1;
    quoted.len = (size_t)(*at - quoted.at);
    return quoted;
}

/* Writes a quoted value without quotes and escapes, and a NUL. Returns its length, or -1. */
static int unquote(char *out, size_t size, struct text quoted)
{
    const char quote = quoted.at[0];
    const char *at = quoted.at + 1, *const end = quoted.at + quoted.len - 1;
    size_t len = 0;

    for (; at < end && len + 1 < size; at++) {
        char c = *at;

        if (c == '\\' && quote != '`') {
            c = *++at;
            if (c == 'n')
                c = '\n';
            else if (c != '\\' && c != '"' && c != '\'')
                return -1;
        }
        out[len++] = c;
    }
    if (at < end || len + 1 > size)
        return -1;
    out[len] = '\0';
    return (int)len;
}

/* --- Selectors --- */

/* Where parsing stands, and what it makes. */
struct parser {
    struct expect_selector *selector;
    const char *start, *at, *end;
    char *error;
};

static int fail(const struct parser *p, const char *expected)
{
    (void)snprintf(p->error, EXPECT_SELECTOR_ERROR_MAX, "%s is expected %s%.40s", expected,
                   p->at < p->end ? "at " : "at its end", p->at);
    return -1;
}

static int keep(struct parser *p, struct text name, const char **kept)
{
    struct expect_selector *const s = p->selector;

    if (name.len >= sizeof(s->text) - s->used)
        return fail(p, "a shorter text");
    *kept = memcpy(s->text + s->used, name.at, name.len);
    s->text[s->used + name.len] = '\0';
    s->used += name.len + 1;
    return 0;
}

static int parse_operator(struct parser *p, enum expect_selector_how *how)
{
    /* The longer ones first. */
    static const struct {
        const char *text;
        enum expect_selector_how how;
    } operators[] = {{"=~", EXPECT_SELECTOR_MATCHES},
                     {"!~", EXPECT_SELECTOR_MATCHES_NOT},
                     {"!=", EXPECT_SELECTOR_NOT_EQUAL},
                     {"=", EXPECT_SELECTOR_EQUAL}};

    p->at = skip_blanks(p->at, p->end);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const size_t len = strlen(operators[i].text);

        if ((size_t)(p->end - p->at) >= len && memcmp(p->at, operators[i].text, len) == 0) {
            p->at += len;
            *how = operators[i].how;
            return 0;
        }
    }
    return fail(p, "=, !=, =~ or !~");
}

/* As Prometheus has it, a pattern is for the whole value. */
static int compile(struct parser *p, struct expect_selector_matcher *matcher)
{
    char anchored[EXPECT_SELECTOR_TEXT_MAX + 8], reason[128];
    int error;

    (void)snprintf(anchored, sizeof(anchored), "^(%s)$", matcher->value);
    error = regcomp(&matcher->pattern, anchored, REG_EXTENDED | REG_NOSUB);
    if (error == 0)
        return 0;
    (void)regerror(error, &matcher->pattern, reason, sizeof(reason));
    (void)snprintf(p->error, EXPECT_SELECTOR_ERROR_MAX,
                   "the pattern of %.60s is no extended regular expression: %.100s", matcher->label,
                   reason);
    return -1;
}

static int parse_matcher(struct parser *p)
{
    struct expect_selector *const s = p->selector;
    struct expect_selector_matcher *const matcher = &s->matchers[s->count];
    struct text name, quoted;
    const char *before;
    int len;

    if (s->count == EXPECT_SELECTOR_MATCHERS_MAX)
        return fail(p, "no further label");
    name = take_name(&p->at, p->end);
    if (name.at == NULL)
        return fail(p, "a label's name");
    if (keep(p, name, &matcher->label) != 0 || parse_operator(p, &matcher->how) != 0)
        return -1;
    p->at = before = skip_blanks(p->at, p->end);
    quoted = take_quoted(&p->at, p->end);
    if (quoted.at == NULL)
        return fail(p, "a quoted value");
    len = unquote(s->text + s->used, sizeof(s->text) - s->used, quoted);
    if (len < 0) {
        p->at = before;
        return fail(p, "a value with the escapes \\\\, \\\", \\' and \\n alone, and not too long,");
    }
    matcher->value = s->text + s->used;
    s->used += (size_t)len + 1;
    if (matcher->how >= EXPECT_SELECTOR_MATCHES && compile(p, matcher) != 0)
        return -1;
    s->count++;
    return 0;
}

static int parse_matchers(struct parser *p)
{
    for (;;) {
        p->at = skip_blanks(p->at, p->end);
        if (p->at < p->end && *p->at == '}') {
            p->at++;
            return 0;
        }
        if (parse_matcher(p) != 0)
            return -1;
        p->at = skip_blanks(p->at, p->end);
        if (p->at < p->end && *p->at == ',')
            p->at++;
        else if (p->at == p->end || *p->at != '}')
            return fail(p, "a comma or }");
    }
}

static int parse_all(struct parser *p)
{
    struct text name;

    p->at = skip_blanks(p->at, p->end);
    name = take_name(&p->at, p->end);
    if (name.at == NULL)
        return fail(p, "a metric's name");
    if (keep(p, name, &p->selector->name) != 0)
        return -1;
    p->at = skip_blanks(p->at, p->end);
    if (p->at < p->end && *p->at == '{') {
        p->at++;
        if (parse_matchers(p) != 0)
            return -1;
    }
    p->at = skip_blanks(p->at, p->end);
    return p->at == p->end ? 0 : fail(p, "{ or nothing more");
}

int expect_selector_parse(struct expect_selector *selector, const char *text,
                          char error[EXPECT_SELECTOR_ERROR_MAX])
{
    struct parser p = {.selector = selector,
                       .start = text,
                       .at = text,
                       .end = text + strlen(text),
                       .error = error};

    selector->count = selector->used = 0;
    if (parse_all(&p) == 0)
        return 0;
    expect_selector_free(selector);
    return -1;
}

void expect_selector_free(struct expect_selector *selector)
{
    for (size_t i = 0; i < selector->count; i++) {
        if (selector->matchers[i].how >= EXPECT_SELECTOR_MATCHES)
            regfree(&selector->matchers[i].pattern);
    }
    selector->count = 0;
}

const char *expect_selector_how_text(enum expect_selector_how how)
{
    static const char *const texts[] = {"=", "!=", "=~", "!~"};

    return texts[how];
}

/* --- Samples --- */

/* The next label of `labels` from *at on, which begins at their start. */
static bool next_label(struct text labels, const char **at, struct text *name, struct text *value)
{
    const char *const end = labels.at + labels.len;
    const char *p = skip_blanks(*at, end);

    if (p < end && *p == ',')
        p = skip_blanks(p + 1, end);
    *name = take_name(&p, end);
    p = skip_blanks(p, end);
    if (name->at == NULL || p == end || *p != '=')
        return false;
    p = skip_blanks(p + 1, end);
    *value = take_quoted(&p, end);
    if (value->at == NULL)
        return false;
    *at = p;
    return true;
}

/* Where the labels of a line end, behind the brace that opens them at `at`; NULL if nowhere. */
static const char *labels_end(const char *at, const char *end)
{
    const struct text all = {at, (size_t)(end - at)};
    struct text name, value;

    while (next_label(all, &at, &name, &value))
        continue;
    at = skip_blanks(at, end);
    if (at < end && *at == ',')
        at = skip_blanks(at + 1, end);
    return at < end && *at == '}' ? at : NULL;
}

int expect_sample_parse(struct expect_sample *sample, const char *line, size_t len)
{
    const char *const end = line + len;
    const char *at = skip_blanks(line, end), *number_end;
    char number[NUMBER_MAX], *stop;

    if (at == end || *at == '#')
        return 0;
    sample->name = take_name(&at, end);
    if (sample->name.at == NULL)
        return -1;
    sample->labels = (struct text){at, 0};
    if (at < end && *at == '{') {
        const char *const labels = at + 1;

        at = labels_end(labels, end);
        if (at == NULL)
            return -1;
        sample->labels = (struct text){labels, (size_t)(at++ - labels)};
    }
    sample->series = (struct text){sample->name.at, (size_t)(at - sample->name.at)};
    at = skip_blanks(at, end);
    for (number_end = at; number_end < end && !text_is_blank(*number_end) && *number_end != '\r';)
        number_end++;
    if (number_end == at || number_end - at >= NUMBER_MAX)
        return -1;
    memcpy(number, at, (size_t)(number_end - at));
    number[number_end - at] = '\0';
    sample->value = strtod(number, &stop);
    return *stop == '\0' ? 1 : -1;
}

struct text expect_sample_label(const struct expect_sample *sample, const char *name)
{
    const char *at = sample->labels.at;
    struct text label, value;

    while (next_label(sample->labels, &at, &label, &value)) {
        if (text_is(label, name))
            return (struct text){value.at + 1, value.len - 2};
    }
    return (struct text){NULL, 0};
}

/* 0.5 and 5e-1 are one bucket. */
static bool same_bound(const char *one, const char *other)
{
    char *end, *other_end;
    const double bound = strtod(one, &end), other_bound = strtod(other, &other_end);

    return end != one && *end == '\0' && other_end != other && *other_end == '\0' &&
           bound == other_bound;
}

static bool meets(const struct expect_selector_matcher *matcher, const struct expect_sample *sample)
{
    const struct text label = expect_sample_label(sample, matcher->label);
    char value[VALUE_MAX] = "";
    bool equal;

    if (label.at != NULL &&
        unquote(value, sizeof(value), (struct text){label.at - 1, label.len + 2}) < 0)
        return false;
    if (matcher->how >= EXPECT_SELECTOR_MATCHES) {
        equal = regexec(&matcher->pattern, value, 0, NULL, 0) == 0;
        return equal == (matcher->how == EXPECT_SELECTOR_MATCHES);
    }
    equal = strcmp(value, matcher->value) == 0 ||
            (strcmp(matcher->label, "le") == 0 && same_bound(value, matcher->value));
    return equal == (matcher->how == EXPECT_SELECTOR_EQUAL);
}

size_t expect_selector_meets(const struct expect_selector *selector,
                             const struct expect_sample *sample, bool *met)
{
    size_t count = text_is(sample->name, selector->name) ? 1 : 0;

    for (size_t i = 0; i < selector->count; i++) {
        const bool yes = meets(&selector->matchers[i], sample);

        count += yes ? 1 : 0;
        if (met != NULL)
            met[i] = yes;
    }
    return count;
}
