/*
 * Takes the lines of other programs' files into the spool, from where they are delivered like all
 * others: whole lines, as they are, each once, in steps that the loop can afford. Only for signals
 * that are sent somewhere and while little waits to be sent: until then the other program's file is
 * the place where its lines wait. docs/spool.md, section "Files of other programs".
 */
#ifndef METRICS_AGENT_EXPORT_IMPORTER_H
#define METRICS_AGENT_EXPORT_IMPORTER_H

#include "metrics-agent/export/exporter.h"
#include "metrics-agent/export/import_files.h"
#include "metrics-agent/export/import_lines.h"
#include "metrics-agent/export/import_segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct importer {
    struct exporter *exporters; /* one a signal; borrowed */
    struct import_files files;
    struct import_segment segments[SPOOL_SIGNALS];
    uint64_t room[SPOOL_SIGNALS]; /* bytes that the step may still add */
    uint32_t lost[SPOOL_SIGNALS]; /* lines that the step has left out */
    bool on;                      /* any signal is sent somewhere */
    uint64_t line_max;            /* bytes of a line that is taken */
    bool wanted;                  /* a pass through the directory is to begin */
    bool passed;                  /* there has been a whole one */
    uint64_t pass_ns;             /* no pass before this */
    uint64_t cost_ns;             /* what the one under way took until now */
    uint64_t retry_ns;            /* no step before this */
    uint64_t settled_ns;          /* when a last line may be whole; UINT64_MAX */
    unsigned failures;            /* of steps, in a row */
    bool save_failed;             /* the last one to write the cursors */
    size_t turn;                  /* the file that is next */
    char *text, *out;             /* what was read, and its lines */
    struct import_lines lines;
};

/*
 * Begins with one exporter a signal, which outlive it. import_segment_mend came before these were
 * opened. Returns 0, or -1 with a message printed and nothing to close.
 */
int importer_open(struct importer *importer, struct exporter *exporters);

/* Lets go of the segments that lines were added to, so that they can be deleted. */
void importer_release(struct importer *importer);

void importer_close(struct importer *importer);

/* Somebody may have written into the directory. */
void importer_notify(struct importer *importer);

/* Does one step of what is due. Returns when to call again (monotonic ns). */
uint64_t importer_run(struct importer *importer, uint64_t now_ns);

/* Publishes what waits, and what is not read, of each signal that is sent somewhere. */
void importer_publish(const struct importer *importer);

/* For --drain: 1 when all is taken, 0 while there is more, -1 if it can't be taken. */
int importer_drained(const struct importer *importer);

#endif
