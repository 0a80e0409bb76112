/*
 * `microtrace spool status`: how much waits and for how long, where the agent stands, whether the
 * books balance, and what is wrong, for people or as one JSON object.
 */
#ifndef CLI_SPOOL_STATUS_H
#define CLI_SPOOL_STATUS_H

#include <stdbool.h>

struct spool_status_options {
    bool json;
    bool rate; /* look twice, a second apart */
};

/* Returns COMMAND_OK, or COMMAND_FAILED if something is wrong or the spool can't be read. */
int spool_status_run(const struct spool_status_options *options);

#endif
