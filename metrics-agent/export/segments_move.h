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

/*
 * Copies one file's bytes from *at to `end` to the same place in another; *at is how far it came.
 * Returns 0, or -1 with errno: EIO where the file has fewer bytes.
 */
int segments_move_bytes(int to, int from, uint64_t *at, uint64_t end);

/*
 * Gives back what settled records take in a sealed segment that a writer still has open, perhaps
 * for hours, in memory or on the disk; nothing where that would be fewer than `least` bytes more
 * than before. The file keeps its size and what the checkpoint's fingerprint is made of, so
 * nobody's place in it changes.
 */
void segments_move_punch(struct segments *segments, struct segment *segment, uint64_t least);

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
