/*
 * What `expect span` and `expect log` ask of a record, and how a record differs from it. Pure.
 */
#ifndef CLI_EXPECT_MATCH_H
#define CLI_EXPECT_MATCH_H

#include "lib/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    EXPECT_MATCH_MAX = 64, /* conditions; a bit each */
    EXPECT_MATCH_TRACES = 256,
    EXPECT_MATCH_TRACE_ID = 32,
};

enum expect_match_kind {
    EXPECT_MATCH_MEMBER,    /* a member of the record has the value */
    EXPECT_MATCH_LEVEL,     /* the same, of one of the names that a level has */
    EXPECT_MATCH_ATTRIBUTE, /* an attribute of the span, or else of its resource */
    EXPECT_MATCH_FIELD,     /* a member of the log record, or else an attribute of its resource */
    /* The span's own attribute microtrace.request_id, or that of another span of its trace. */
    EXPECT_MATCH_REQUEST,
};

struct expect_condition {
    enum expect_match_kind kind;
    const char *shown; /* what a message calls it: "name", "attr http.route" */
    const char *key;   /* of the member or attribute */
    const char *value; /* as it is typed */
};

struct expect_match {
    struct expect_condition conditions[EXPECT_MATCH_MAX];
    size_t count;
    /* The traces of the request that is asked for, the newest: learned from the records. */
    char traces[EXPECT_MATCH_TRACES][EXPECT_MATCH_TRACE_ID];
    size_t learned; /* so many ever; the index of the next is modulo */
};

/* Adds a condition; its strings are borrowed. Returns 0, or -1 if there are too many. */
int expect_match_add(struct expect_match *match, struct expect_condition condition);

/*
 * Notes the trace of a span (cli/record_json.h) that carries the request's id. Returns whether it
 * is new: then spans seen before may belong to the request.
 */
bool expect_match_learn(struct expect_match *match, struct text record);

/* The bits of the conditions that the record meets: bit i for number i. */
uint64_t expect_match_met(const struct expect_match *match, struct text record);

/*
 * A text that stands in each record that meets all conditions, if not by escapes, which JSON does
 * not need for it. NULL if there is no such text.
 */
const char *expect_match_probe(const struct expect_match *match);

/* Whether these are all. */
bool expect_match_all(const struct expect_match *match, uint64_t met);

/*
 * Whether a value of a record is what was typed: a string of the same characters; a number of the
 * same value, however either is written; true, false or null; an array or object that is the same
 * as JSON, blanks aside. Nothing equals nothing.
 */
bool expect_match_equal(const char *typed, struct text value);

/* Prints a line for each condition: what is as expected, and how the rest differs. */
void expect_match_explain(FILE *to, const struct expect_match *match, struct text record);

#endif
