/*
 * What a spool looks like from outside: its files, the checkpoint, whether an agent works on it. It
 * only reads, and takes no lock, so that looking never changes what agent and writers do.
 * docs/spool.md is the contract.
 */
#ifndef CLI_SPOOL_VIEW_H
#define CLI_SPOOL_VIEW_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/files.h"
#include "lib/telemetry.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_view_segment {
    char name[SPOOL_FILES_NAME_MAX];
    uint64_t seq; /* of the active file the number that it will get */
    uint64_t inode;
    uint64_t size;
    uint64_t written_ns; /* when it was last written to, Unix time */
    uint64_t offset;     /* settled up to here, by a cursor that fits; else 0 */
    uint64_t waiting;    /* lines from there on; spool_view_count sets it */
    bool active;
    bool held;       /* a writer has it open */
    bool unreadable; /* it can't be opened; nothing above but the size is known */
};

struct spool_view_signal {
    struct spool_view_segment *list; /* oldest first, the active one last */
    size_t count;
    uint64_t bytes;             /* of all of them */
    uint64_t waiting;           /* records, after spool_view_count */
    uint64_t quarantine_bytes;  /* both files */
    struct spool_counts counts; /* the checkpoint's */
    uint64_t oldest_ns;         /* time of the oldest record that waits, 0 where none does */
    uint64_t last_written_ns;   /* of any file */
    unsigned foreign;           /* files named like this signal's that nobody reads */
    char first_foreign[NAME_MAX + 1];
};

enum spool_view_agent { SPOOL_VIEW_AGENT_NONE, SPOOL_VIEW_AGENT_RUNS, SPOOL_VIEW_AGENT_UNKNOWN };

struct spool_view {
    int dir_fd;
    enum spool_view_agent agent;
    enum checkpoint_found checkpoint;
    struct checkpoint_state state; /* all zero without a valid checkpoint */
    uint64_t checkpoint_ns;        /* when it was last written, 0 where there is none */
    struct spool_view_signal signals[SPOOL_SIGNALS];
};

/* The directory that MICROTRACE_SPOOL_DIR names, or its default. */
const char *spool_view_dir(void);

/*
 * Looks at the directory. Returns 0, or -1 with errno where it can't be read or memory is short;
 * then there is nothing to close.
 */
int spool_view_open(struct spool_view *view, const char *dir);

void spool_view_close(struct spool_view *view);

/* Opens a segment for reading. Returns the descriptor, or -1 with errno; ENOENT where it is gone.
 */
int spool_view_open_segment(const struct spool_view *view,
                            const struct spool_view_segment *segment);

/* Whether a writer has the file open: its shared lock shows. */
bool spool_view_held(int fd);

/* Reads all of the signal that waits to count it and to find the oldest record's time. */
void spool_view_count(struct spool_view *view, enum spool_signal which);

#endif
