/* W3C Baggage: the header is checked and passed on as it is; nothing here interprets it. */
#ifndef LIB_TRACE_BAGGAGE_H
#define LIB_TRACE_BAGGAGE_H

#include <stddef.h>

enum {
    /* The least that must be propagated (section 3.3.2), and the most that we do. */
    BAGGAGE_MEMBERS_MAX = 64,
    BAGGAGE_SIZE_MAX = 8192,
};

/*
 * How many bytes of `text` (a header's value, NUL-terminated) are passed on: all of it, or the
 * first members if it exceeds the limits, or 0 if it is empty or anywhere violates the
 * baggage-string of section 3.3.1. We never send a callee what it can't read.
 */
size_t baggage_length(const char *text);

#endif
