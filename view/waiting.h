/*
 * What of all signals together waits to be sent. Pure.
 */
#ifndef VIEW_WAITING_H
#define VIEW_WAITING_H

#include "view/overview.h"

#include <stdbool.h>

struct waiting {
    bool known;                /* an agent keeps the books of one signal at least */
    double records;            /* now */
    double oldest_s;           /* age of the oldest record; 0 where none waits */
    struct overview_line line; /* records; NAN where nothing is known of any signal */
};

struct waiting waiting_of(const struct overview *overview);

#endif
