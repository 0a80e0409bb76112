/*
 * Fingerprints of what is settled and of what was counted in a segment's file: by them a file is
 * known again after a restart, and one that someone else truncated and wrote anew is found out.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_PRINTS_H
#define METRICS_AGENT_EXPORT_SEGMENTS_PRINTS_H

#include "metrics-agent/export/segments_list.h"

#include <stdbool.h>

/* Takes the print of what is settled, of an open file. Returns 0, or -1 where it can't be read. */
int segments_prints_settled(struct segment *segment);

/* The same where what is settled has changed since the last print; opens the file for it. */
int segments_prints_take(struct segments *segments, struct segment *segment);

/* Whether the open file still has what was settled in it, or counted. */
bool segments_prints_has_settled(const struct segment *segment);
bool segments_prints_has_counted(const struct segment *segment);

#endif
