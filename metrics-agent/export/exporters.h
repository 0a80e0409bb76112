/*
 * All of exporting: the spool's directory, its checkpoint, and one exporter a signal. main's loop
 * calls it and tells it what happened; nothing here waits.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORTERS_H
#define METRICS_AGENT_EXPORT_EXPORTERS_H

#include "lib/spool/checkpoint.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/exporter.h"
#include "metrics-agent/export/importer.h"
#include "metrics-agent/export/memory_tier.h"
#include "metrics-agent/export/spool_dir.h"
#include "metrics-agent/export/spool_watch.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    EXPORTERS_COUNT_BYTES = 8 << 20, /* of each signal that one step counts */
};

struct exporters {
    bool open; /* the directory and what follows from it */
    struct spool_dir dir;
    struct memory_tier memory;
    struct checkpoint checkpoint;
    struct exporter_shared shared;
    struct exporter each[SPOOL_SIGNALS];
    struct importer importer;
    struct spool_watch watch;
    char problem[SPOOL_DIR_REASON_MAX]; /* with the directory, "" for none */
    uint64_t check_ns;                  /* when to compare the directory's names again */
    uint64_t publish_ns;                /* when to publish again; UINT64_MAX: when notified */
    uint64_t make_ns;                   /* when to make one that is missing; 0 for none */
    uint64_t room_ns;                   /* when to look at the file system's room again */
    uint64_t save_ns;                   /* when to try again to write a checkpoint that failed */
    bool limited, counted;              /* the last look left nothing over the limit, uncounted */
    uint64_t no_space;                  /* records that writers had lost for lack of it by then */
};

/*
 * Whether another agent works on the spool; that was said then.
 */
bool exporters_taken(const char *dir);

/*
 * Opens and locks the spool's directory and takes up the work where the checkpoint left off;
 * without one the counts are those of the metrics file. What `shared` points to outlives the
 * exporters; its checkpoint and directory are set here. Where the directory can't be used (it is
 * read-only, say) that is in `problem`, and exporters_check tries again; a drain gives up. Returns
 * 0, or -1 with a message printed where the agent has to end: another one works there.
 */
int exporters_open(struct exporters *exporters, const struct exporter_shared *shared);

/* Writes down where everything stands and releases it. */
void exporters_close(struct exporters *exporters);

/*
 * Counts on in the spool, one step (EXPORTERS_COUNT_BYTES), and publishes what was counted. Returns
 * whether that is all that there is.
 */
bool exporters_publish(struct exporters *exporters);

/* Somebody may have written into the spool: look soon. */
void exporters_notify(struct exporters *exporters, uint64_t now_ns);

/* Whether that was done since the last look. */
bool exporters_notified(const struct exporters *exporters);

/*
 * Compares what is held with what the names mean by now, and goes on with what they mean. What it
 * can't mend is in `problem`, and was said. Returns 0, or -1 with a message printed where the agent
 * has to end.
 */
int exporters_check(struct exporters *exporters, uint64_t now_ns);

/* Does what is due. Returns when to call again (monotonic ns). */
uint64_t exporters_run(struct exporters *exporters, uint64_t now_ns);

/* curl reports the transfer `easy` as done. */
void exporters_outcome(struct exporters *exporters, const CURL *easy, CURLcode result);

/*
 * The agent ends: one last look at what was written, at once, and nothing more is waited for. What
 * is written later stays in the spool.
 */
void exporters_stop(struct exporters *exporters, uint64_t now_ns);

/* Whether that is done: all that is known is sent, or the endpoint takes nothing. */
bool exporters_stopped(const struct exporters *exporters);

/*
 * For --drain: -1 while there is something to send, 0 when all is delivered, 1 with a message
 * printed where that can't be. Without an endpoint that is so at once, but for --once: there the
 * spool's limit is all that is to be kept.
 */
int exporters_drained(const struct exporters *exporters);

/* Prints that the time of --once is over, and why, as far as that is known. */
void exporters_say_left(const struct exporters *exporters);

#endif
