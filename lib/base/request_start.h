/*
 * X-Request-Start: when a front end took a request, so that the time in its queue can be told.
 * There is no standard; the forms are those of nginx, Apache, HAProxy and Heroku. Pure.
 */
#ifndef LIB_BASE_REQUEST_START_H
#define LIB_BASE_REQUEST_START_H

#include "lib/base/text.h"

#include <stdint.h>

/*
 * Reads "t=1512379167.574" (nginx: seconds), "t=1512379167574000" (Apache: microseconds),
 * "t=1512379167" or "1512379167574" (HAProxy, Heroku: seconds, milliseconds), with or without "t=";
 * the unit is told by the number's size. Returns 0 and nanoseconds since 1970, or -1.
 */
int request_start_parse(struct text text, uint64_t *unix_ns);

#endif
