/*
 * An instance's directories, its lock and its ports, made or checked before anything is started.
 */
#ifndef SUPERVISOR_INSTANCE_H
#define SUPERVISOR_INSTANCE_H

#include "supervisor/settings.h"

enum {
    INSTANCE_OK = 0,
    INSTANCE_TAKEN = 1,   /* by another program or instance: it may be free again later */
    INSTANCE_INVALID = 2, /* the setting can't be used on this machine */
};

/*
 * Makes STATE_DIR with run/, run/upload/ and spool/ (mode 2770, group microtrace if
 * there is one; STATE_DIR itself may be read-only if the others exist), takes the instance's lock
 * for as long as this process lives, writes the address of PORT into it (http://HOST:PORT and a
 * newline), and removes sockets that a killed instance has left. Returns
 * INSTANCE_OK, or one of the others after one line on stderr.
 */
int instance_prepare(const struct settings *settings);

/*
 * Whether PORT, and AGENT_LISTEN if `agent`, can be listened on. One that is still being given up
 * gets a second. Returns INSTANCE_OK, or one of the others after one line on stderr.
 */
int instance_check_ports(const struct settings *settings, bool agent);

/*
 * Whether any request is with an analyze process or on its way to one: whether one of the sockets
 * of the run directory has a connection. True if that can't be known.
 */
bool instance_answering(const struct settings *settings);

/* Removes the sockets of the run directory. */
void instance_clear_sockets(const struct settings *settings);

#endif
