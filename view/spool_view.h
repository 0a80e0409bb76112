/*
 * A spool as the command sees it at one moment: its segments, the checkpoint, whether an agent
 * works on it. It only reads, and takes no lock.
 */
#ifndef VIEW_SPOOL_VIEW_H
#define VIEW_SPOOL_VIEW_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/listing.h"
#include "lib/spool/segment.h"

#include <stddef.h>
#include <stdint.h>

struct spool_view_signal {
    struct spool_listing listing;
    struct spool_segment *list; /* oldest first, the active one last */
    size_t count;
    uint64_t bytes;             /* of all of them */
    uint64_t memory_bytes;      /* of those in memory */
    uint64_t kept_bytes;        /* beside them, of delivered ones that are kept: first in `list` */
    uint64_t waiting;           /* records, after spool_view_count */
    uint64_t oldest_ns;         /* time of the oldest record that waits, 0 where none does */
    uint64_t last_written_ns;   /* of any segment */
    struct spool_counts counts; /* the checkpoint's */
};

enum spool_view_agent { SPOOL_VIEW_AGENT_NONE, SPOOL_VIEW_AGENT_RUNS, SPOOL_VIEW_AGENT_UNKNOWN };

/* Whether an agent works on the spool whose directory is open. */
enum spool_view_agent spool_view_find_agent(int dir_fd);

struct spool_view {
    int dir_fd;
    int memory_fd; /* the directory of the tier in memory, -1 without one */
    enum spool_view_agent agent;
    enum checkpoint_found checkpoint;
    struct checkpoint_state state; /* all zero without a valid checkpoint */
    uint64_t checkpoint_ns;        /* when it was last written, 0 where there is none */
    struct spool_view_signal signals[SPOOL_SIGNALS];
};

/*
 * Looks at the directory, and at the one that the run directory has for the tier in memory. Returns
 * 0, or -1 with errno where it can't be read or memory is short; then there is nothing to close.
 */
int spool_view_open(struct spool_view *view, const char *dir, const char *run_dir);

/* The directory of the segment's tier. */
int spool_view_dir(const struct spool_view *view, const struct spool_segment *segment);

void spool_view_close(struct spool_view *view);

/* Reads all of the signal that waits to count it and to find the oldest record's time. */
void spool_view_count(struct spool_view *view, enum spool_signal which);

#endif
