/*
 * Makes what a step of the importer did true, as a whole: the lines that it added to the spool, the
 * places in other programs' files behind which they are taken, and the lines that it left out. One
 * rename of agent.imports does that. An agent that is killed before it leaves lines that the next
 * one cuts off; one that is killed behind it has done the step.
 */
#ifndef METRICS_AGENT_EXPORT_IMPORTER_COMMIT_H
#define METRICS_AGENT_EXPORT_IMPORTER_COMMIT_H

#include "metrics-agent/export/importer.h"

#include <stddef.h>

/* Takes up what the agent before left: counts lines that it left out and may not have counted. */
void importer_commit_begin(struct importer *importer);

/* The step is about to move the cursor of file `i`. */
void importer_commit_note(struct importer *importer, size_t i);

/* Returns 0, or -1 with everything as it was after the last one; a failure is said once. */
int importer_commit_step(struct importer *importer);

#endif
