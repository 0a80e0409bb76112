/*
 * Sealed segments that the agent itself makes, for lines that it adds to the spool. Nobody else
 * appends to one, so its length tells what is in it.
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

/* Takes up the file of this number, which was just made. Returns 0, or -1 with errno. */
int segments_make_known(struct segments *segments, uint64_t seq);

#endif
