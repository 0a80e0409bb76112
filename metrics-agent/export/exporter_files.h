/*
 * The exporter and the files of its spool: what is new there, what is to be sealed, what is gone;
 * the checkpoint; and which segments can be deleted.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORTER_FILES_H
#define METRICS_AGENT_EXPORT_EXPORTER_FILES_H

#include "metrics-agent/export/exporter.h"

#include <stdint.h>

enum { EXPORTER_FILES_RESCAN_MS = 5000 /* how often at most the directory is read again */ };

/* Looks at the files and sets when to look again. */
void exporter_files_look(struct exporter *exporter, uint64_t now_ns);

/* Writes the checkpoint; a failure is said once. */
void exporter_files_save(struct exporter *exporter);

/* Writes the checkpoint and deletes segments that are done. */
void exporter_files_commit(struct exporter *exporter);

#endif
