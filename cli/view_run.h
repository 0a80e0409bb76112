/*
 * `microtrace view`: the traces that are asked for, as waterfalls or as JSON.
 */
#ifndef CLI_VIEW_RUN_H
#define CLI_VIEW_RUN_H

#include "view/view_find.h"

#include <stdbool.h>

struct view_run_options {
    struct view_find_query query;
    bool json; /* the records' lines as they are, else waterfalls */
};

/* Returns COMMAND_OK, or COMMAND_FAILED after a message if there is none, or the spool is not. */
int view_run(const struct view_run_options *options);

#endif
