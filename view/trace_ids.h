/*
 * A few trace ids, and which stretch of JSON may have one of them. Pure.
 */
#ifndef VIEW_TRACE_IDS_H
#define VIEW_TRACE_IDS_H

#include "lib/base/ids.h"
#include "lib/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_IDS_MAX = 100 };

/* Starts zeroed. */
struct trace_ids {
    char ids[TRACE_IDS_MAX][IDS_TRACE_HEX]; /* lower case */
    size_t count;
    uint64_t starts[64]; /* of which first digits there may be one: a bit each */
};

/*
 * Adds an id in hexadecimal of either case. Returns its index, also if it is there; -1 if it is no
 * id, all zero, or there is no room for it.
 */
int trace_ids_add(struct trace_ids *ids, struct text id);

/* Puts the id in the place of number `index`. Returns -1 if it is no id; nothing is changed then.
 */
int trace_ids_replace(struct trace_ids *ids, size_t index, struct text id);

/* Its index, -1 if it is not one of them. */
int trace_ids_find(const struct trace_ids *ids, struct text id);

/*
 * Whether one of the ids stands in the text as a string, or perhaps does: where there are escapes
 * that may stand for its digits. About 5 GB/s.
 */
bool trace_ids_may_be_in(const struct trace_ids *ids, struct text json);

#endif
