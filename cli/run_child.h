/*
 * The command of `microtrace run` as a process: its start, the signals that go to it, its end.
 *
 * Without a controlling terminal (cron, a daemon, CI) the command gets a process group of its own,
 * so that a timeout reaches all of it by one signal. With one it stays in the caller's group: then
 * the terminal's reads, Ctrl-C and Ctrl-Z are its own, also in a pipeline, and a timeout goes to
 * each of its descendants there (run_group.h).
 */
#ifndef CLI_RUN_CHILD_H
#define CLI_RUN_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RUN_CHILD_NOT_RUN = 126, /* exit statuses, as a shell has them */
    RUN_CHILD_NOT_FOUND = 127,
};

struct run_child {
    pid_t pid; /* -1 until it is started */
    bool own_group;
    bool ended;       /* and `status` is known */
    int status;       /* of waitpid(2) */
    int exec_error;   /* errno if the program could not be started, once it has ended; else 0 */
    int signals;      /* a signalfd; can be read when run_child_signals has to be called */
    int exec_result;  /* the read end of a pipe, closed by exec */
    bool told_to_end; /* a terminating signal came after its end */
    sigset_t mask_before;
    struct sigaction chld_before, pipe_before;
};

/*
 * Takes the signals over from here on. `ends_group` if run_child_kill is to be called. Returns 0,
 * or -1 with errno.
 */
int run_child_prepare(struct run_child *child, bool ends_group);

/*
 * Starts argv, found by PATH, with this process's environment; `output` are descriptors for its
 * stdout and stderr, or -1 for those of this process. It is killed as this process is: by the
 * kernel, if this one ends without waiting for it (PR_SET_PDEATHSIG). Returns 0, or -1 with errno
 * if there is no process to be had; then argv can be run by run_child_become.
 */
int run_child_start(struct run_child *child, char *const *argv, const int output[2]);

/* Runs argv in the place of this process. Returns only if it can't: the errno. */
int run_child_become(struct run_child *child, char *const *argv);

/*
 * Takes what has arrived: the command's end, or signals, which are handed on. Those that the
 * terminal has sent to the whole group, the command has got itself.
 */
void run_child_signals(struct run_child *child);

/* Sends a signal to the command and to what it has started, but for what has left its group. */
void run_child_kill(const struct run_child *child, int signal);

/* Whether some of these are there, also after its own end. */
bool run_child_has_group(const struct run_child *child);

#endif
