/*
 * Delivered records of one signal that stay a while for those who look (`microtrace expect`, `spool
 * tail`): segments that are settled to their end get another name in place of being deleted
 * (docs/spool.md, section "Kept records"). They are no part of the books; retention.h says when
 * they go.
 */
#ifndef METRICS_AGENT_EXPORT_KEPT_H
#define METRICS_AGENT_EXPORT_KEPT_H

#include "metrics-agent/export/segments_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kept_file {
    uint64_t seq, size;
    bool in_memory;
};

struct kept {
    enum spool_signal signal;
    struct kept_file *files; /* ascending numbers */
    size_t count, room;
    uint64_t bytes[2]; /* on the disk, and in memory */
};

/* Finds what an agent before has kept. Returns 0, or -1 with errno; then nothing is known. */
int kept_open(struct kept *kept, enum spool_signal signal, const struct segments_dirs *dirs);

void kept_close(struct kept *kept);

/*
 * Keeps the segment, of which all is settled, and forgets it in the list; a copy of it goes.
 * Returns 0, or -1 where it can't be kept: it is to be removed then.
 */
int kept_add(struct kept *kept, struct segments *segments, struct segment *segment);

/* Deletes the oldest file in a tier, or forgets it where that can't be done. */
void kept_drop(struct kept *kept, const struct segments_dirs *dirs, bool in_memory);

/* Copies what is kept in memory to the disk, and deletes it there. */
void kept_move(struct kept *kept, const struct segments_dirs *dirs);

#endif
