/*
 * What there is to say of a spool, found from a view of it: figures, what is worth knowing and what
 * is wrong. No printing here.
 */
#ifndef CLI_SPOOL_REPORT_H
#define CLI_SPOOL_REPORT_H

#include "cli/spool_agent.h"
#include "view/spool_view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_REPORT_TEXTS_MAX = 32,
    SPOOL_REPORT_TEXT_MAX = 512,
};

enum spool_report_balance {
    SPOOL_REPORT_BALANCED,
    SPOOL_REPORT_MISSING, /* the metrics file has counted more than is left */
    SPOOL_REPORT_MOVING,  /* the agent was too quick for one consistent look */
    SPOOL_REPORT_ALONE,   /* there is no metrics file to compare with */
};

/* What a wrong thing is about, for whoever says how to mend it (cli/doctor_spool.c). */
enum spool_report_kind {
    SPOOL_REPORT_NO_AGENT,
    SPOOL_REPORT_AGENT_ODD, /* one runs, and its status can't be had */
    SPOOL_REPORT_EXPORT,    /* requests fail, or are not answered */
    SPOOL_REPORT_SLOW,
    SPOOL_REPORT_SETTING,
    SPOOL_REPORT_LOSS_FULL,
    SPOOL_REPORT_LOSS_RIGHTS,
    SPOOL_REPORT_LOSS_OVERSIZE,
    SPOOL_REPORT_IMPORT,
    SPOOL_REPORT_BOOKS,
    SPOOL_REPORT_CHECKPOINT,
    SPOOL_REPORT_FOREIGN,
    SPOOL_REPORT_DISK,
};

struct spool_report_signal {
    uint64_t waiting, waiting_bytes;
    uint64_t segments, held;  /* those that are not kept, and how many of them a writer has open */
    double oldest_s;          /* age of the oldest record that waits, -1 where none does */
    double in_rate, out_rate; /* records a second between two looks, -1 after one look */
    uint64_t written;         /* settled and waiting */
    uint64_t known;           /* what the metrics file says was written */
    uint64_t import_waiting;  /* bytes in other programs' files that were not taken yet */
    uint64_t import_unreadable; /* of these files, how many are not read */
    enum spool_report_balance verdict;
    const struct spool_segment *at; /* the first that is not settled to its end, or NULL */
};

struct spool_report {
    struct spool_view view;
    struct spool_agent agent;
    struct spool_report_signal signals[SPOOL_SIGNALS];
    double checkpoint_age_s; /* -1 without one */
    char wrong[SPOOL_REPORT_TEXTS_MAX][SPOOL_REPORT_TEXT_MAX];
    char notes[SPOOL_REPORT_TEXTS_MAX][SPOOL_REPORT_TEXT_MAX];
    enum spool_report_kind wrong_kinds[SPOOL_REPORT_TEXTS_MAX];
    size_t wrong_count, note_count;
};

/*
 * Looks at the spool in `dir`, twice with `rate`, a second apart. Returns 0, or -1 with errno where
 * it can't be read.
 */
int spool_report_make(struct spool_report *report, const char *dir, bool rate);

/* How many of the signals there is anything to say of: the last are other programs' alone. */
int spool_report_signals(const struct spool_report *report);

void spool_report_free(struct spool_report *report);

#endif
