/*
 * The last hour of an instance, in memory of a fixed size: a cell for every five seconds with the
 * totals, and a point a minute for each route, kind of error, program and reason of a drop. It is
 * fed with looks at the metrics file, and fills view/overview.h. For one thread.
 *
 * Totals are exact: the cells of a range add up to the increase of the counters in it. Of routes,
 * programs and kinds of errors only so many are kept, those with most to count.
 *
 * A look that comes late (its process was paused) leaves cells that no line shows, while what was
 * counted meanwhile is spread over them, so that sums hold. Where the metrics file was replaced,
 * can't be read or began anew, the time in between is unknown, and no counter goes back. A file
 * that is younger than HISTORY_GAP_S counts from its creation on.
 */
#ifndef VIEW_HISTORY_H
#define VIEW_HISTORY_H

#include "lib/metrics/reader.h"
#include "view/overview.h"

#include <stdint.h>

enum {
    HISTORY_PERIOD_S = 5, /* how often to look; more often is welcome, and no cell more */
    HISTORY_GAP_S = 15,   /* looks further apart than that leave a gap */
    HISTORY_RANGE_MAX_S = 3600,
    HISTORY_BYTES_MAX = 512 << 10, /* of all memory that it takes; history.c asserts it */
};

struct history;

/* Empty. All its memory is taken here. NULL if there is none. */
struct history *history_new(void);

/* NULL does nothing. */
void history_free(struct history *history);

/*
 * Takes one look at what `reader` holds, after metrics_reader_refresh, whatever that returned, or a
 * metrics_reader_step that returned 0 or -1 (not 1: what is not seen yet would pass for new). Reads
 * the families it knows, by name, and no others. Call metrics_reader_rest afterwards where the
 * pages that it touched should not stay in memory. `monotonic_ns` is clock_monotonic_ns, for
 * distances; `unix_ns` is only passed on.
 */
void history_sample(struct history *history, const struct metrics_reader *reader,
                    uint64_t monotonic_ns, uint64_t unix_ns);

/*
 * What the last `range_s` seconds were like, as of the last look: 300, 900 or 3600; anything else
 * counts as the next higher of them. Reads the memory of processes from /proc.
 */
void history_overview(const struct history *history, unsigned range_s, struct overview *overview);

#endif
