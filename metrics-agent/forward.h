/*
 * One signal's way from its spool to its endpoint: look at the files, cut a batch, send it, settle
 * it in the books and the checkpoint, remove what is done. A state machine that never waits; main's
 * loop calls it and tells it what happened.
 */
#ifndef METRICS_AGENT_FORWARD_H
#define METRICS_AGENT_FORWARD_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/lines.h"
#include "lib/spool/writer.h"
#include "lib/telemetry.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/quarantine.h"
#include "metrics-agent/ranges.h"
#include "metrics-agent/request.h"
#include "metrics-agent/segments.h"
#include "metrics-agent/ship.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FORWARD_WINDOW = SPOOL_RECORD_MAX + 65536, /* bytes of a spool file that a batch may cover */
};

/* What both signals share; outlives them. */
struct forward_shared {
    const struct agent_settings *settings;
    struct checkpoint *checkpoint;
    struct agent_metrics *metrics;
    const struct resource *resource;
    CURLM *multi;
    int dir_fd;
    bool checkpoint_failed; /* it was said */
    bool drain;             /* no lingering */
};

enum forward_state {
    FORWARD_IDLE,    /* no batch */
    FORWARD_SENDING, /* a request is under way */
    FORWARD_WAITING, /* the batch is to be sent at `send_ns` */
};

struct forward {
    enum spool_signal signal;
    struct forward_shared *shared;
    struct segments segments;
    struct spool_counts *books; /* in the checkpoint's state */
    struct quarantine quarantine;
    struct ship *ship; /* NULL where nothing is sent */
    enum forward_state state;
    uint64_t look_ns;            /* when to look at the files again; UINT64_MAX for never */
    uint64_t send_ns;            /* no request before this; 0 for at once */
    bool stirred;                /* somebody wrote: look_ns is near */
    bool more;                   /* the last look left something to read */
    bool counted_once;           /* all of the spool has been counted since the start */
    bool rejecting;              /* the last answer rejected records, and that was said */
    unsigned failures;           /* in a row */
    char trouble[SHIP_CODE_MAX]; /* the code that was last complained of, "" for none */
    enum retry_verdict trouble_verdict;

    uint64_t batch_seq;    /* the segment that the batch is from */
    uint64_t batch_offset; /* of the window in the segment */
    struct spool_lines batch;
    size_t settled;       /* items of the batch that are settled */
    struct ranges ranges; /* the rest of the batch */
    unsigned refused;     /* records quarantined as refused since the endpoint last took one */
    bool stopping;        /* nothing more is to be sent */
    bool probing;         /* the request under way is an empty one: is it us or the endpoint? */
    char *window;         /* FORWARD_WINDOW bytes */
    struct request request;
    struct otlp_line lines[SPOOL_LINES_MAX];
};

/* Returns 0, or -1 with errno and a message printed. */
int forward_open(struct forward *forward, enum spool_signal signal, struct forward_shared *shared);

void forward_close(struct forward *forward);

/* Somebody wrote into the spool: look soon, after lingering for more. */
void forward_stir(struct forward *forward, uint64_t now_ns);

/* Does what is due. Returns when to call again (monotonic ns; UINT64_MAX for not by the clock). */
uint64_t forward_run(struct forward *forward, uint64_t now_ns);

/* curl reports the request as done. With `stopping` no further one is begun. */
void forward_outcome(struct forward *forward, CURLcode result, uint64_t now_ns, bool stopping);

/* Whether everything that can be sent has been. */
bool forward_drained(const struct forward *forward);

/* Writes the checkpoint and removes segments that are done. */
void forward_commit(struct forward *forward);

/* Writes the checkpoint; a failure is said once. */
void forward_save(struct forward *forward);

/* Forgets the batch if it is from segment `seq`, and the request with it: the segment goes away. */
void forward_abandon(struct forward *forward, uint64_t seq);

#endif
