/*
 * Selectors of series in Prometheus' syntax (documentation, "Querying basics"): NAME{label="value",
 * other=~"a|b"}, and samples of the text format 0.0.4 that they are compared with. Pure.
 */
#ifndef CLI_EXPECT_SELECTOR_H
#define CLI_EXPECT_SELECTOR_H

#include "lib/base/text.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    EXPECT_SELECTOR_MATCHERS_MAX = 32,
    EXPECT_SELECTOR_TEXT_MAX = 8192, /* bytes of names and values, without their escapes */
    EXPECT_SELECTOR_ERROR_MAX = 256,
};

enum expect_selector_how {
    EXPECT_SELECTOR_EQUAL,       /* = */
    EXPECT_SELECTOR_NOT_EQUAL,   /* != */
    EXPECT_SELECTOR_MATCHES,     /* =~ */
    EXPECT_SELECTOR_MATCHES_NOT, /* !~ */
};

struct expect_selector_matcher {
    const char *label, *value;
    enum expect_selector_how how;
    regex_t pattern; /* of the last two operators: POSIX extended, for the whole value */
};

struct expect_selector {
    const char *name;
    struct expect_selector_matcher matchers[EXPECT_SELECTOR_MATCHERS_MAX];
    size_t count;
    char text[EXPECT_SELECTOR_TEXT_MAX];
    size_t used;
};

/*
 * Reads a selector: a metric's name and, in braces, any number of matchers; a value is quoted by "
 * or ', with the escapes \\, \", \' and \n, or by ` without any. Returns 0, or -1 with a message in
 * `error` that says where it does not go on; then there is nothing to free.
 */
int expect_selector_parse(struct expect_selector *selector, const char *text,
                          char error[EXPECT_SELECTOR_ERROR_MAX]);

void expect_selector_free(struct expect_selector *selector);

/* A sample of the text format. Its parts point into the line. */
struct expect_sample {
    struct text name;
    struct text labels; /* between the braces, as they stand; may be empty */
    struct text series; /* name and labels with their braces */
    double value;
};

/*
 * Reads one line of the text format, without its newline. Returns 1 for a sample, 0 for a comment
 * or an empty line, -1 for anything else.
 */
int expect_sample_parse(struct expect_sample *sample, const char *line, size_t len);

/*
 * How many of the selector's conditions, its name first, the sample meets: count + 1 if it is
 * selected. A label that the series lacks has the value "" (Prometheus' rule); the value of `le` is
 * compared as a number. Whether it meets matcher number i is in met[i], unless that is NULL.
 */
size_t expect_selector_meets(const struct expect_selector *selector,
                             const struct expect_sample *sample, bool *met);

/* The value of the sample's label, escapes as they stand; nothing if it has none of that name. */
struct text expect_sample_label(const struct expect_sample *sample, const char *name);

/* "=", "!=", "=~" or "!~". */
const char *expect_selector_how_text(enum expect_selector_how how);

#endif
