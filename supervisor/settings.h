/* The settings of `make run`, from the environment, and what it passes on to its children. */
#ifndef SUPERVISOR_SETTINGS_H
#define SUPERVISOR_SETTINGS_H

#include "lib/base/config.h"

#include <limits.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct settings {
    /* As set. */
    uint64_t port;
    const char *bind;
    const char *agent_listen;
    uint64_t workers;
    const char *state_dir;
    uint64_t max_body_bytes;
    uint64_t request_timeout; /* seconds */
    bool metrics_public;
    const char *run_as; /* NULL: to be chosen */

    /* Made of them. */
    char root[PATH_MAX]; /* STATE_DIR, absolute */
    char run[PATH_MAX];
    char spool[PATH_MAX];
    struct sockaddr_storage http, agent; /* where lighttpd and the agent listen */
    socklen_t http_len, agent_len;
};

/*
 * Reads and checks everything. Returns 0, or -1 after one line on stderr that names the variable
 * and what would do instead.
 */
int settings_load(struct settings *settings);

/*
 * Puts into the environment what lighttpd.conf and the programs read from it. `programs` is the
 * absolute folder of the programs. Returns 0, or -1 after a line on stderr.
 */
int settings_export(const struct settings *settings, const char *programs);

/* Writes "HOST:PORT" or "[HOST]:PORT" as one can connect to it: loopback in place of "any". */
void settings_reachable(const struct sockaddr_storage *address, char *text, size_t size);

/* The tables that it reads, for --help; NULL-terminated. */
extern const struct config_table *const settings_tables[];

#endif
