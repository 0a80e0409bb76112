/*
 * The segments that take other programs' lines: sealed ones of the agent's own, one open a signal.
 * Nobody else appends to them. So agent.imports, which is replaced as a whole, says by a length
 * which of the lines have been taken, together with the places in the files that they are from;
 * what is behind that length was added by an agent that died before it could say so, and is cut off
 * by the next one before anything is read. docs/spool.md, section "agent.imports".
 */
#ifndef METRICS_AGENT_EXPORT_IMPORT_SEGMENT_H
#define METRICS_AGENT_EXPORT_IMPORT_SEGMENT_H

#include "metrics-agent/export/exporter.h"
#include "metrics-agent/export/import_cursors.h"

#include <stddef.h>
#include <stdint.h>

struct import_segment {
    struct exporter *exporter; /* of the signal; borrowed */
    int fd;                    /* -1 while there is none; with a writer's lock */
    uint64_t number;           /* of the next one, where that is certain; else 0 */
    uint64_t seq, inode;       /* of the open one */
    uint64_t size;             /* what is in it */
    uint64_t kept;             /* what of that agent.imports knows of */
    uint64_t used_ns;          /* when something was added (monotonic) */
};

void import_segment_init(struct import_segment *segment, struct exporter *exporter);

/* Whether more can be added: one is open, not full, and nobody has deleted or changed it. */
bool import_segment_usable(const struct import_segment *segment);

/*
 * Makes a new one in the place of one that is not usable any more; agent.imports has to say so
 * before anything is added. Returns 0, or -1 with errno.
 */
int import_segment_begin(struct import_segment *segment);

/* Adds `len` bytes of whole lines. Returns 0, or -1 with errno and nothing added. */
int import_segment_add(struct import_segment *segment, const char *lines, size_t len,
                       uint64_t now_ns);

/* What agent.imports is to say of it. */
void import_segment_note(const struct import_segment *segment, struct import_spooled *spooled);

/* agent.imports says so now. */
void import_segment_keep(struct import_segment *segment);

/* Takes back what was added since. Returns 0, or -1 with errno: it stays in the spool. */
int import_segment_back(struct import_segment *segment);

/* Lets go of the file: it is final then. */
void import_segment_release(struct import_segment *segment);

/*
 * Cuts off what an agent that died has added without saying so in agent.imports. To be called
 * before the spool in the directory `dir_fd` is read. Where the checkpoint stands behind the
 * length, an older agent.imports is back: nothing is cut then, so that what is before it is not
 * sent again.
 */
void import_segment_mend(int dir_fd, const struct checkpoint_state *checkpoint);

#endif
