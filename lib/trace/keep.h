/*
 * The rules of MICROTRACE_TRACES_KEEP: which of the sampled traces are kept. A program decides it
 * of its own part of a trace, the local trace: a span without a parent in this process (the local
 * root) and all spans below it. It is decided when the local root ends, before any of it is text.
 */
#ifndef LIB_TRACE_KEEP_H
#define LIB_TRACE_KEEP_H

#include "lib/trace/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a local trace is kept. The names are label and attribute values. */
enum keep_reason {
    KEEP_NONE,   /* it is not */
    KEEP_ALL,    /* there are no rules */
    KEEP_ERROR,  /* a span of it has the status Error */
    KEEP_SLOW,   /* its root took at least so long */
    KEEP_RATIO,  /* by its trace id, as the sampler of that ratio decides */
    KEEP_REMOTE, /* the caller's trace is sampled */
    KEEP_LARGE,  /* no rule: more of it had ended than a process holds until the decision */
    KEEP_REASONS,
};

extern const char *const keep_reason_names[KEEP_REASONS];

enum { KEEP_RULES_MAX = KEEP_REMOTE - KEEP_ERROR + 1 };

struct keep_rule {
    enum keep_reason reason;
    uint64_t limit; /* KEEP_SLOW: nanoseconds; KEEP_RATIO: of sampler_below; else 0 */
};

struct keep {
    struct keep_rule rules[KEEP_RULES_MAX]; /* in the order of the setting */
    size_t count;                           /* 0: all are kept */
};

/*
 * Reads "all", or a list of error, slow:TIME (milliseconds, or with a unit), ratio:SHARE (0 to 1)
 * and remote, each once, with commas and any blanks around them. Returns 0, or -1 if it is neither;
 * *keep is then as it was.
 */
int keep_parse(struct keep *keep, const char *text);

/* Whether it is known when `root` begins that it will be kept: by its id or its caller. */
bool keep_from_start(const struct keep *keep, const struct span *root);

/* The first rule that fits the ended local root; KEEP_NONE if none does. */
enum keep_reason keep_decide(const struct keep *keep, const struct span *root);

#endif
