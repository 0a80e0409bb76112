/*
 * Keeps agent.status.json (lib/spool/agent_status.h) up to date: the last export result of each
 * signal and what writers have lost. Written on change, and at most once a second.
 */
#ifndef METRICS_AGENT_EXPORT_STATUS_FILE_H
#define METRICS_AGENT_EXPORT_STATUS_FILE_H

#include "lib/spool/agent_status.h"
#include "metrics-agent/export/exporters.h"

#include <stdbool.h>
#include <stdint.h>

struct status_file {
    const char *run_dir;
    struct agent_status now;
    char text[AGENT_STATUS_FILE_MAX], written[AGENT_STATUS_FILE_MAX]; /* of now, and on the disk */
    size_t length, written_length;                                    /* 0 for nothing */
    uint64_t losses_ns; /* when to look at the writers' losses again */
    uint64_t looked_ms; /* when that was done last, Unix time */
    uint64_t write_ns;  /* no writing before this */
    uint64_t exists_ns; /* when to see whether the file is still there */
    bool failed;        /* the last write did, and that was said */
};

/* A warning of the agent's own settings, for the file; kept up to AGENT_STATUS_WARNINGS_MAX. */
void status_file_warning(struct status_file *file, const char *text);

/* Says on stderr where it listens and where each signal goes, and writes the first state. */
void status_file_open(struct status_file *file, const struct exporters *exporters);

/* Writes what has changed, if it is time. Returns when to call again (monotonic ns). */
uint64_t status_file_run(struct status_file *file, const struct exporters *exporters,
                         uint64_t now_ns);

/* Marks the file as that of an agent that has ended. */
void status_file_close(struct status_file *file, const struct exporters *exporters);
#endif
