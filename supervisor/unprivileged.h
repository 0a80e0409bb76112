/*
 * What root starts need not run as root: the instance's directories are handed to another user, and
 * microtrace-run becomes that user for good, before it starts anything.
 */
#ifndef SUPERVISOR_UNPRIVILEGED_H
#define SUPERVISOR_UNPRIVILEGED_H

#include "supervisor/settings.h"

enum { UNPRIVILEGED_REASON_MAX = 512 };

enum unprivileged_result {
    UNPRIVILEGED_DONE,   /* it is another user now, or was not root, or is to stay root */
    UNPRIVILEGED_KEPT,   /* it is root still; *reason says why, and is to be told */
    UNPRIVILEGED_FAILED, /* that must not be, or RUN_AS can't be had; it was told */
};

/*
 * Where this process is root: becomes the user RUN_AS, or, where that is not set, microtrace, or
 * www-data. `needs` are files and folders that this user has to be able to use, NULL-terminated;
 * those of a program are executed, the others read.
 *
 * The directories of STATE_DIR are made for that user, with what is missing above them. Of those
 * that exist only root's with the mode that we give (2770) are handed over, with root's files in
 * them. Where the user could not use all of it, everything is left as it was.
 *
 * Below port 1024 the right to listen there is kept (CAP_NET_BIND_SERVICE), else none.
 */
enum unprivileged_result unprivileged_become(const struct settings *settings,
                                             const char *const needs[],
                                             char reason[UNPRIVILEGED_REASON_MAX]);

#endif
