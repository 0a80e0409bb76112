/*
 * One signal's way from its spool to its endpoint: look at the files, cut a batch, send it, settle
 * it in the books and the checkpoint, remove what is done. A state machine that never waits; main's
 * loop calls it and tells it what happened.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORTER_H
#define METRICS_AGENT_EXPORT_EXPORTER_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/lines.h"
#include "lib/spool/writer.h"
#include "lib/telemetry.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/export_request.h"
#include "metrics-agent/export/export_result.h"
#include "metrics-agent/export/kept.h"
#include "metrics-agent/export/quarantine.h"
#include "metrics-agent/export/ranges.h"
#include "metrics-agent/export/segments.h"
#include "metrics-agent/export/transfer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Bytes of a spool file that a batch covers, but for a line that is longer. */
    EXPORTER_WINDOW = SPOOL_RECORD_MAX + 65536,
    EXPORTER_STEP_MS = 10, /* after which a step begins nothing more, and the loop goes round */
};

/* What both signals share; outlives them. */
struct exporter_shared {
    const struct agent_settings *settings;
    struct checkpoint *checkpoint;
    struct agent_metrics *metrics;
    const struct resource *resource;
    CURLM *multi;
    struct segments_dirs dirs;
    uint64_t memory_sealed; /* bytes of sealed segments in memory, all signals together */
    bool checkpoint_failed; /* it was said */
    bool full;              /* the spool's file system, at the last look */
    bool drain;             /* no lingering */
    bool once;              /* a drain for cron: what it says is mailed each time */
    unsigned gather_ms;     /* how long writes gather before a look; see gather.h */
};

enum exporter_state {
    EXPORTER_IDLE,    /* no batch */
    EXPORTER_SENDING, /* a request is under way */
    EXPORTER_WAITING, /* the batch is to be sent at `send_ns` */
};

struct exporter {
    enum spool_signal signal;
    struct exporter_shared *shared;
    struct segments segments;
    struct spool_counts *counts; /* in the checkpoint's state */
    struct quarantine quarantine;
    struct kept kept;
    struct transfer *transfer; /* NULL where nothing is sent */
    struct export_result result;
    enum exporter_state state;
    uint64_t look_ns;     /* when to look at the files again; UINT64_MAX for never */
    uint64_t rescan_ns;   /* no reading of the directory before this */
    uint64_t progress_ns; /* when something was last settled, or began to wait in memory */
    bool waits_in_memory; /* something does */
    uint64_t move_seq;    /* segments in memory below this number have waited too long there */
    uint64_t send_ns;     /* no request before this; 0 for at once */
    bool notified;        /* somebody wrote: look_ns is near */
    bool more;            /* the last look left something to read */
    bool counted_once;    /* all of the spool has been counted since the start */
    bool rejecting;       /* the last answer rejected records, and that was said */
    bool cut;             /* the last answer could not be read to its end, and that was said */
    bool unkept;          /* the last record for the quarantine file could not be written there */
    bool taken;           /* the endpoint has taken a request since we started */
    unsigned failures;    /* in a row */
    char trouble[TRANSFER_CODE_MAX]; /* the code that was last complained of, "" for none */
    enum retry_verdict trouble_verdict;

    uint64_t batch_offset; /* of the window in the segment that segments.held_seq names */
    struct spool_lines batch;
    /* The item of which request.wrong says why it can't be sent; NULL for none. */
    const struct spool_line *misfit;
    size_t settled;       /* items of the batch that are settled */
    struct ranges ranges; /* the rest of the batch */
    unsigned refused;     /* records quarantined as refused since the endpoint last took one */
    bool probing;         /* the request under way is an empty one: is it us or the endpoint? */
    char *window;         /* of window_size bytes: EXPORTER_WINDOW, more for a longer line */
    size_t window_size;
    struct export_request request;
    struct otlp_record records[SPOOL_LINES_MAX];
};

/* Returns 0, or -1 with errno and a message printed. */
int exporter_open(struct exporter *exporter, enum spool_signal signal,
                  struct exporter_shared *shared);

void exporter_close(struct exporter *exporter);

/* Somebody wrote into the spool: look soon, after lingering for more. */
void exporter_notify(struct exporter *exporter, uint64_t now_ns);

/* Does what is due. Returns when to call again (monotonic ns; UINT64_MAX for not by the clock). */
uint64_t exporter_run(struct exporter *exporter, uint64_t now_ns);

/* curl reports the request as done. */
void exporter_outcome(struct exporter *exporter, CURLcode result, uint64_t now_ns);

/* Whether everything that can be sent has been. */
bool exporter_drained(const struct exporter *exporter);

/* Whether an agent that ends has no reason to wait: all is sent, or the endpoint takes nothing. */
bool exporter_may_end(const struct exporter *exporter);

/* Whether a step that began at `since_ns` has had its time. */
bool exporter_step_over(uint64_t since_ns);

/* Forgets the batch if it is from segment `seq`, and the request with it: the segment goes away. */
void exporter_abandon(struct exporter *exporter, uint64_t seq);

#endif
