/*
 * A span from its start to its line in the span spool. It lives on the caller's stack and borrows
 * every string, so nothing is allocated.
 */
#ifndef LIB_TRACE_SPAN_H
#define LIB_TRACE_SPAN_H

#include "lib/base/ids.h"
#include "lib/base/json_writer.h"
#include "lib/trace/attribute.h"
#include "lib/trace/context.h"
#include "lib/trace/resource.h"
#include "lib/trace/sampler.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SPAN_ATTRIBUTES_MAX = 24,
    SPAN_TAIL_SIZE = 7, /* bytes that span_write_tail writes */
};

/* OTLP trace.proto, Span.SpanKind. */
enum span_kind {
    SPAN_INTERNAL = 1,
    SPAN_SERVER = 2,
    SPAN_CLIENT = 3,
    SPAN_PRODUCER = 4,
    SPAN_CONSUMER = 5,
};

/* OTLP trace.proto, Status.StatusCode. */
enum span_status {
    SPAN_STATUS_UNSET = 0,
    SPAN_STATUS_OK = 1,
    SPAN_STATUS_ERROR = 2,
};

/* Elements of a JSON array that were written before, separated by commas. */
struct span_list {
    const char *json; /* borrowed until the line is written */
    size_t length;    /* 0 for none */
    unsigned dropped; /* elements that did not fit */
};

/* What becomes of a local trace (lib/trace/keep.h). */
enum span_fate {
    SPAN_FATE_KEPT,
    SPAN_FATE_OPEN, /* its root has not ended, and decides */
    SPAN_FATE_DISCARDED,
};

struct span {
    struct trace_context context; /* of this span: what its children and callees get */
    struct span_id parent;        /* all zero for a root */
    bool parent_is_remote;
    bool recording; /* false: not sampled, attributes are ignored and no line is written */
    enum span_kind kind;
    enum span_status status;
    const char *name;           /* borrowed until the line is written */
    const char *status_message; /* borrowed, or NULL */
    uint64_t start_ns;
    uint64_t end_ns; /* 0 until span_end */
    struct attribute attributes[SPAN_ATTRIBUTES_MAX];
    unsigned attribute_count;
    unsigned dropped_attributes;                 /* those that did not fit */
    struct span_list written_attributes, events; /* of OTLP's KeyValue and Span.Event */
    /*
     * The first span of the local trace, perhaps itself; it stays where it is until the last span
     * below it has ended. The members that follow are its alone.
     */
    struct span *root;
    enum span_fate fate; /* kept, unless somebody decides otherwise */
    bool caller_sampled; /* its parent came over the wire and is sampled */
    bool failed;         /* a span below it has ended with the status Error */
};

/*
 * Starts a span now. `parent` NULL, or one without ids, starts a new trace; `remote` says that the
 * parent came over the wire. `sampler` decides on the trace id that the span gets, and its decision
 * becomes the sampled flag of the span's context; NULL samples nothing.
 */
void span_begin(struct span *span, const char *name, enum span_kind kind,
                const struct trace_context *parent, bool remote, const struct sampler *sampler);

/*
 * Gives a span that is not recorded its parent's context, for it and its children to hand on as it
 * is (OpenTelemetry, Trace API, "Behavior of the API in the absence of an installed SDK"). The
 * parent has ids.
 */
void span_pass_on(struct span *span, const struct trace_context *parent);

/* Starts a child of `parent` in this process, sampled as its parent is. */
void span_begin_child(struct span *span, const char *name, enum span_kind kind,
                      const struct span *parent);

/* Adds an attribute, whose key lives as long as the program; beyond SPAN_ATTRIBUTES_MAX it is
 * counted as dropped. */
void span_set(struct span *span, struct attribute attribute);

/* Ends the span now; a second call changes nothing. The end never lies before the start. */
void span_end(struct span *span);

/*
 * Writes an ended span as one line of the OTLP File Exporter format (one TracesData object and a
 * newline), in the canonical key order of docs/spool.md. Writes nothing for a span not recorded. On
 * overflow the writer's flag is set.
 */
void span_write(const struct span *span, const struct resource *resource, const struct scope *scope,
                struct json_writer *w);

/*
 * The same in three steps, so that spans of one resource and scope share a line: the head once,
 * each recorded span, the tail once, on one writer with nothing written in between.
 */
void span_write_head(const struct resource *resource, const struct scope *scope,
                     struct json_writer *w);
void span_write_object(const struct span *span, struct json_writer *w);
void span_write_tail(struct json_writer *w);

#endif
