/*
 * The processes that serve, and the one that watches them: it starts another one where one has
 * died, and ends the script that the dead one has left behind.
 */
#ifndef GATEWAYS_CGI_WORKERS_H
#define GATEWAYS_CGI_WORKERS_H

#include "gateways/cgi_process.h"
#include "lib/base/notify.h"

/*
 * Starts `count` processes, each of which calls `work` with `context` and the place for its
 * script's group, and ends with what that returns. When SIGTERM, SIGINT or SIGUSR1 asks it to end,
 * it passes that on and calls `stop` with `context`, and comes back when all of them have ended:
 * with 0; or with -1 after a line on stderr if they can't be started. The service manager behind
 * `notify` hears when they have been started, while this watches them, and when they end.
 */
int cgi_workers_run(unsigned count, int (*work)(void *context, cgi_process_group *group),
                    void (*stop)(void *context), void *context, const struct notify *notify);

#endif
