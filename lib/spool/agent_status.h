/*
 * What the agent tells the command about its work: MICROTRACE_RUN_DIR/agent.status.json, one JSON
 * object that is replaced as a whole, so a reader never sees half of it. It says how the last
 * export of each signal went and what writers have lost. Whether its agent still lives is told by
 * the lock on agent.lock (docs/spool.md), not by this file.
 */
#ifndef LIB_SPOOL_AGENT_STATUS_H
#define LIB_SPOOL_AGENT_STATUS_H

#include "lib/spool/signal.h"
#include "lib/spool/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_STATUS_FILE "agent.status.json"

enum {
    AGENT_STATUS_URL_MAX = 2048,
    AGENT_STATUS_TEXT_MAX = 512,
    AGENT_STATUS_CODE_MAX = 12,
    AGENT_STATUS_VERSION_MAX = 32,
    AGENT_STATUS_WARNINGS_MAX = 8,
    AGENT_STATUS_FILE_MAX = 65536,        /* bytes: all texts at their longest, with some escaped */
    AGENT_STATUS_LOSSES = SPOOL_OVERSIZE, /* reasons: every spool_result but SPOOL_OK */
};

/* Records that writers could not append for one reason, by their own count in the metrics file. */
struct agent_status_loss {
    uint64_t records;  /* in all, when the agent last looked */
    uint64_t grown_ms; /* when it saw them grow last; 0 if they have not grown since it started */
    uint64_t since_ms; /* its look before that one: they grew between the two */
};

/* All times are Unix time in milliseconds, 0 for none. */
struct agent_status_signal {
    char endpoint[AGENT_STATUS_URL_MAX]; /* by shown_url; "" if nothing is sent */
    char nowhere[AGENT_STATUS_TEXT_MAX]; /* why nothing is sent, "" if something is */
    bool mistaken;                       /* a setting that can't be used is the reason */
    uint64_t result_ms;                  /* when the last export request ended */
    char code[AGENT_STATUS_CODE_MAX];    /* its HTTP status, "timeout" or "error" */
    char reason[AGENT_STATUS_TEXT_MAX];  /* the same in words */
    uint64_t rejected;                   /* records that its answer rejected */
    uint64_t failing_ms;                 /* since when all have failed; 0 after a success */
    uint64_t next_ms;                    /* when the next one is due */
    uint64_t unanswered_ms;              /* since when one has been waiting for its answer */
    struct agent_status_loss lost[AGENT_STATUS_LOSSES]; /* by spool_result, less one */
};

struct agent_status {
    char version[AGENT_STATUS_VERSION_MAX]; /* of the agent; "" of one that did not tell yet */
    uint64_t pid;
    uint64_t started_ms;
    uint64_t ended_ms;                  /* of a clean end; 0 while it runs, or if it died */
    bool drain;                         /* it was started to send what is there and to end */
    uint64_t spool_device, spool_inode; /* which spool */
    char listen[AGENT_STATUS_TEXT_MAX];
    char warnings[AGENT_STATUS_WARNINGS_MAX][AGENT_STATUS_TEXT_MAX]; /* of its settings */
    size_t warning_count;
    struct agent_status_signal signals[SPOOL_SIGNALS];
};

/* The file's content. Returns its length, or 0 if it would be longer than AGENT_STATUS_FILE_MAX. */
size_t agent_status_format(char text[AGENT_STATUS_FILE_MAX], const struct agent_status *status);

/* Replaces the file in `run_dir`. Returns 0, or -1 with errno; the file is as it was then. */
int agent_status_write(const char *run_dir, const char *text, size_t len);

/* Reads it. Returns 0, or -1 with errno: ENOENT if there is none, EBADMSG if it is not one. */
int agent_status_read(const char *run_dir, struct agent_status *status);

#endif
