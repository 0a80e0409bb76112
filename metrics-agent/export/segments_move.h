/*
 * A segment's way from memory to the disk (docs/spool.md, section "Two tiers"): its bytes are
 * copied to a file of the same name there, then the file in memory is deleted. Until then that one
 * counts and the copy means nothing, so that a process may die anywhere between the two.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_MOVE_H
#define METRICS_AGENT_EXPORT_SEGMENTS_MOVE_H

#include "lib/spool/listing.h"
#include "metrics-agent/export/segments_list.h"

#include <stdint.h>

/*
 * Copies what the segment, sealed and in memory, has got since the last copy. A final
 * one has moved then: it is on the disk alone, and stays the one in hand if it is. Not synced.
 * Returns 0, or -1 with errno; what is copied stays.
 */
int segments_move(struct segments *segments, struct segment *segment);

/* Gives back the memory of what is settled in a sealed segment that a writer still has open. */
void segments_move_punch(struct segments *segments, struct segment *segment);

/*
 * Lists what there is, after it has given another number to each file in memory that has its number
 * in common with one on the disk which is no copy of it: somebody put that one there. Returns 0, or
 * -1 with errno and nothing to free.
 */
int segments_move_list(struct segments *segments, struct spool_listing *listing);

/* The size of the copy on the disk, 0 without one. */
uint64_t segments_move_copied(const struct segments *segments, uint64_t seq);

/*
 * The directory in memory is gone, and `memory_fd` is the one in its place (-1: none). Records that
 * waited there and can't be read any more are counted as deleted.
 */
void segments_move_lost(struct segments *segments, int memory_fd);

#endif
