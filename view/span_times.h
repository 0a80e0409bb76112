/*
 * Which stretch of JSON may have a span that is longer, or ended later, than those that were found:
 * most have none, and are not taken apart. Pure.
 */
#ifndef VIEW_SPAN_TIMES_H
#define VIEW_SPAN_TIMES_H

#include "lib/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a span in the text may have taken more than `longer_ns`. Times are read where they stand
 * as most writers have them, startTimeUnixNano before endTimeUnixNano, both in quotes; whatever
 * else may be a span's time is taken for one that is wanted.
 */
bool span_times_longer(struct text json, uint64_t longer_ns);

/* Whether one may have ended after `later_ns`. */
bool span_times_later(struct text json, uint64_t later_ns);

#endif
