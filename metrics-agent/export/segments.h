/*
 * The segments of one signal's spool as the agent works on them: what it has read, settled and
 * counted of each. docs/spool.md is the protocol, lib/spool/segment.h what any reader can see.
 *
 * Nothing here waits for a writer: a sealed segment is final when no lock is left on it, and until
 * then is read on beside the following ones. Open are the active file, the segment of the batch in
 * hand, and files that have lost their names; all others only while they are looked at.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_H
#define METRICS_AGENT_EXPORT_SEGMENTS_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/signal.h"
#include "metrics-agent/export/segments_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENTS_NAMELESS_MAX = 16, /* so many files without a name are kept open */
    SEGMENTS_COPYING_MS = 5000, /* a sealed file that was written to since may still be copied */
    SEGMENTS_LOOK_FILES = 1024, /* that one segments_refresh opens */
};

/* Finds what is there in `dirs` and where `from` left off. Returns 0, or -1 with errno. */
int segments_open(struct segments *segments, enum spool_signal signal,
                  const struct segments_dirs *dirs, const struct checkpoint_signal *from);

void segments_close(struct segments *segments);

/*
 * Looks at the files that may grow: sizes, a new active file, finality, truncation; at the active
 * one and SEGMENTS_LOOK_FILES others, and goes on with the rest in the next call: `looks_left` is
 * set until then. Truncation of the held segment makes it suspect, and is dealt with when the batch
 * is settled. Pointers to segments end here.
 */
void segments_refresh(struct segments *segments);

/*
 * Reads the directory again: takes up sealed segments that others have put there, unless they may
 * still be copying, and forgets those that others have deleted. Tries once more to open what could
 * not be opened. Pointers to segments end here.
 */
void segments_rescan(struct segments *segments);

/* Seals the active file by renaming it. Returns 0, or -1 with errno. */
int segments_seal(struct segments *segments);

/*
 * Unlinks the segment's file, unless it has no name any more, and forgets the segment. Where the
 * file can't be unlinked the segment stays known, and is done again after the next rescan.
 */
void segments_remove(struct segments *segments, struct segment *segment);

/* Forgets a segment whose file is gone; its records that waited are counted as deleted. */
void segments_gone(struct segments *segments, struct segment *segment);

/*
 * Deletes the segment's file for the cap. The segment itself stays while a writer may append to it,
 * so that what comes late is counted. Returns 0, or -1 where the file can't be opened or deleted.
 */
int segments_give_up(struct segments *segments, struct segment *segment);

/*
 * Marks everything before `offset`, a line's start, as settled, and `in_line` records of the line
 * that starts there; `records` of those that were counted do not wait any more.
 */
void segments_settle(struct segments *segments, struct segment *segment, uint64_t offset,
                     uint64_t records, uint64_t in_line);

/*
 * Whether the file holds the `len` bytes at `bytes` (up to CHECKPOINT_PRINT_BYTES) before `offset`,
 * as it did when they were read. If not, someone else truncated it, and it may have grown since.
 */
bool segments_holds(struct segments *segments, struct segment *segment, uint64_t offset,
                    const char *bytes, size_t len);

/*
 * Starts again with a file that has other content than it had. Of the lines that were waiting
 * `in_hand` are known to the caller; the others are counted as deleted.
 */
void segments_replaced(struct segments *segments, struct segment *segment, uint64_t in_hand);

/* Records that others deleted or truncated away since the last call. */
uint64_t segments_take_deleted(struct segments *segments);

/* Bytes that were appended to the files since the last call, as far as they were looked at. */
uint64_t segments_take_grown(struct segments *segments);

/* Time (Unix, ns) of the oldest record that waits, 0 where there is none or that can't be told. */
uint64_t segments_oldest_ns(struct segments *segments);

/* Fills in where all segments stand: cursors and active_seq, not the counts. */
void segments_save(struct segments *segments, struct checkpoint_signal *into);

#endif
