/*
 * Which part of a batch goes into the next request. A batch begins as one range; a range that the
 * endpoint refuses is halved, down to the one record that is at fault. What is too large for the
 * endpoint (413) is remembered: if both halves of a refused range pass, the following ones begin no
 * larger than that, and only now and then one of twice the size is tried. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_RANGES_H
#define METRICS_AGENT_EXPORT_RANGES_H

#include <stdbool.h>
#include <stddef.h>

enum {
    RANGES_MAX = 16,            /* on the stack; a batch of 2^15 items can be halved to one */
    RANGES_PATIENCE_MIN = 64,   /* requests that pass before a larger one is tried */
    RANGES_PATIENCE_MAX = 4096, /* the same, after this failed often */
};

struct ranges {
    size_t ends[RANGES_MAX]; /* of ranges, the next one last: indexes of items */
    size_t count;
    size_t bytes_max;   /* that a range of several records may have; 0 for no limit */
    unsigned patience;  /* requests that have to pass before the limit is doubled */
    unsigned passed;    /* since the limit was set */
    size_t doubt_end;   /* end of the last range that was too large, 0 for none */
    size_t doubt_bytes; /* and its size */
};

/* Begins a batch of `items` items, at least one, as one range. */
void ranges_begin(struct ranges *ranges, size_t items);

/* The end of the next range. */
size_t ranges_end(const struct ranges *ranges);

/* Whether a range of several records and `bytes` bytes is known to be too large. */
bool ranges_beyond(const struct ranges *ranges, size_t bytes);

/* Halves the next range, which starts at item `from` and has at least two items. */
void ranges_halve(struct ranges *ranges, size_t from);

/* The next range, of several records and `bytes` bytes, was too large for the endpoint. */
void ranges_too_large(struct ranges *ranges, size_t bytes);

/* The next range is done with: the endpoint took it, or it is one record that was refused. */
void ranges_taken(struct ranges *ranges);
void ranges_refused(struct ranges *ranges);

#endif
