/*
 * Counting the lines of a signal's segments, in steps. A segment of which nothing is settled is not
 * read where its writers' tally (lib/spool/tally.h) covers all of it.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_COUNT_H
#define METRICS_AGENT_EXPORT_SEGMENTS_COUNT_H

#include "metrics-agent/export/segments_list.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SEGMENTS_COUNT_FILE_BYTES = 16 << 10, /* what opening a file counts for in a budget of bytes */
    SEGMENTS_COUNT_BYTES = 8 << 20,       /* what one step counts */
};

/*
 * Counts lines that were not counted yet, up to `budget` bytes (at least SEGMENTS_COUNT_BYTES, or
 * 0); returns the bytes looked at, SEGMENTS_COUNT_FILE_BYTES at least for each file. All are
 * counted when that is less than `budget`.
 */
uint64_t segments_count_lines(struct segments *segments, uint64_t budget);

/*
 * Counts on in one segment, SEGMENTS_COUNT_BYTES of it, for it to be given up. Returns true when
 * all of it is counted; of a final one an unterminated rest is a line too.
 */
bool segments_count_whole(struct segments *segments, struct segment *segment);

/* The same of one segment. */
uint64_t segments_count_some(struct segments *segments, struct segment *segment, uint64_t budget);

/*
 * Takes over what its writers said of a segment that has just become final, if that is right, so
 * that the words of the tally are free for another file.
 */
void segments_count_final(struct segments *segments, struct segment *segment);

/* Forgets what the segment's writers said of it: its file is deleted now. */
void segments_count_forget(struct segments *segments, const struct segment *segment);

/* Lines that are known to wait, in a file that is being counted again too. */
uint64_t segments_count_known(const struct segment *segment);

#endif
