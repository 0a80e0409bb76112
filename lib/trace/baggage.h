/*
 * W3C Baggage: the header is checked and passed on as it is; nothing here reads what it says.
 */
#ifndef LIB_TRACE_BAGGAGE_H
#define LIB_TRACE_BAGGAGE_H

#include <stddef.h>

enum {
    /* What has to be propagated at least (section 3.3.2), and here is at most. */
    BAGGAGE_MEMBERS_MAX = 64,
    BAGGAGE_SIZE_MAX = 8192,
};

/*
 * The bytes of `text` (a header's value, NUL-terminated) that are passed on: all of it, the first
 * members where there are more than the limits allow, or 0 where it is empty or any of it is no
 * baggage-string of section 3.3.1. A callee that can't read it must not be sent it.
 */
size_t baggage_length(const char *text);

#endif
