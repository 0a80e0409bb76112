/*
 * Child processes that never outlive this one: each gets SIGTERM when it dies, and what a killed
 * child leaves behind is adopted and ended.
 */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes this process the parent of its orphaned descendants, and blocks the signals that
 * children_wait returns. To be called before anything is started.
 */
void children_init(void);

/*
 * Starts `arguments` (a NULL-terminated argv with the program's path) in a process group of its
 * own, with stdin from /dev/null, in the directory that this process is in. Only one that `exports`
 * gets the exporter's settings, and only the others those of downstream calls: both may hold
 * secrets. Returns the process id, or -1 after a line on stderr.
 */
pid_t children_start(const char *const arguments[], bool exports);

/*
 * Waits at most `timeout_ms` for a signal: SIGTERM, SIGINT or SIGHUP to stop, SIGCHLD. Returns it,
 * or 0 at the timeout.
 */
int children_wait(int timeout_ms);

/* Takes one ended child or adopted process. Returns its process id and *status, or 0 for none. */
pid_t children_reap(int *status);

/* Sends `signal` to every direct child, adopted ones too, but `except` (0 for none). */
void children_signal_all(int signal, pid_t except);

/* Whether there is any child left but `except`. */
bool children_any(pid_t except);

/* Writes "exit status N" or "signal N (name)". */
const char *children_describe(int status, char text[64]);

#endif
