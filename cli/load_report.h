/*
 * What `microtrace load` has seen, in bounded memory, and its three forms: a line that is written
 * over and over in a terminal, a summary for people, and one as JSON.
 */
#ifndef CLI_LOAD_REPORT_H
#define CLI_LOAD_REPORT_H

#include "cli/load_client.h"
#include "cli/load_histogram.h"

#include <stdint.h>
#include <stdio.h>

enum {
    LOAD_REPORT_RECENT_S = 10, /* what the live line tells about */
    LOAD_REPORT_STATUS_MAX = 1000,
};

/* One second. */
struct load_slice {
    uint64_t second; /* since begin_ns, plus one; 0: never used */
    uint64_t answered, errors;
    struct load_histogram latency;
};

/* All zero but url and begin_ns is the beginning. */
struct load_report {
    const char *url;
    uint64_t begin_ns; /* clock_monotonic_ns */
    uint64_t end_ns;   /* set before a summary */
    uint64_t sent;
    uint64_t bad;        /* sent with a mistake on purpose */
    uint64_t expected;   /* answered with the status that the request asks for */
    uint64_t unexpected; /* answered with another one */
    uint64_t failed;     /* not answered */
    uint64_t unfinished; /* under way at the end */
    uint64_t skipped;    /* due, but all connections were busy for too long */
    uint64_t statuses[LOAD_REPORT_STATUS_MAX];
    uint64_t reasons[LOAD_CLIENT_CODE_MAX];
    struct load_histogram latency; /* of answers, from the moment when the request was due */
    struct load_slice recent[LOAD_REPORT_RECENT_S];
};

/* Counts an answer, or that there was none (status 0). */
void load_report_answer(struct load_report *report, const struct load_answer *answer);

/*
 * Writes one line, without its end, about the last seconds: as many of its figures as fit whole
 * into `columns` characters, and "-" for what nothing is known of.
 */
void load_report_live(const struct load_report *report, FILE *to, unsigned columns, uint64_t now_ns,
                      unsigned under_way);

/* The summary, for people and as one line of JSON. */
void load_report_print(const struct load_report *report, FILE *to);
void load_report_print_json(const struct load_report *report, FILE *to);

#endif
