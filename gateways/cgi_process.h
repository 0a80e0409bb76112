/*
 * The process of a script: started in a process group of its own, watched, ended with all of its
 * group.
 */
#ifndef GATEWAYS_CGI_PROCESS_H
#define GATEWAYS_CGI_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where the process groups of scripts stand for whoever watches this process (cgi_workers.h). */
typedef _Atomic pid_t cgi_process_group;

struct cgi_process {
    pid_t pid;   /* also its group; 0: none */
    int pidfd;   /* readable when it has ended; -1 where there is none */
    int in;      /* our end of its stdin; -1: none */
    int out;     /* of its stdout */
    int err;     /* of its stderr */
    bool exited; /* it has, with `status` as waitpid has it */
    int status;
    cgi_process_group *group;
};

enum cgi_process_stdin {
    CGI_PROCESS_STDIN_OURS,  /* descriptor 0 is handed on */
    CGI_PROCESS_STDIN_EMPTY, /* /dev/null */
    CGI_PROCESS_STDIN_PIPE,
};

enum cgi_process_result {
    CGI_PROCESS_STARTED,
    CGI_PROCESS_NO_ROOM, /* no process, no descriptor, no memory: errno says */
    CGI_PROCESS_NO_EXEC, /* the file can't be run as it is: errno says */
};

/*
 * Starts `path` with `environment`, in `folder`, or here where that is NULL. It ends when this
 * process does. `group` gets its group while it is watched. Our ends do not block.
 */
enum cgi_process_result cgi_process_start(struct cgi_process *process, const char *path,
                                          const char *const *environment, const char *folder,
                                          enum cgi_process_stdin from, cgi_process_group *group);

/* Looks whether it has ended, and sets `exited` and `status`. */
void cgi_process_look(struct cgi_process *process);

/* Asks its group to end, and ends it by force half a second later. Then it has exited. */
void cgi_process_end(struct cgi_process *process);

/* Closes our ends. A process that has not exited goes on unwatched. */
void cgi_process_close(struct cgi_process *process);

/* Takes leave of unwatched processes that have ended since. */
void cgi_process_reap(void);

#endif
