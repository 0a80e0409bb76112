/*
 * Where sealed segments come from: an active file that is renamed, and files that the agent itself
 * makes for lines that it adds to the spool. Nobody else appends to one of these, so its length
 * tells what is in it.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_MAKE_H
#define METRICS_AGENT_EXPORT_SEGMENTS_MAKE_H

#include "metrics-agent/export/segments_list.h"

/*
 * Takes the number before the active file's, which moves up by one. The checkpoint has to be
 * written before a file of that number is made: it names its place in the active file by that
 * file's number. Returns 0 where there is no number left.
 */
uint64_t segments_make_number(struct segments *segments);

/*
 * Renames the active file of the tier to the sealed segment of this number, never over a file.
 * Returns 0, or -1 with errno.
 */
int segments_make_sealed(struct segments *segments, bool in_memory, uint64_t seq);

/*
 * Makes a segment of an active file in the tier that has none of ours: writers found no room in
 * memory, or no directory there. Once a second at most. Pointers to segments end here.
 */
void segments_make_of_stray(struct segments *segments);

/* Takes up the file of this number, which was just made. Returns 0, or -1 with errno. */
int segments_make_known(struct segments *segments, uint64_t seq);

#endif
