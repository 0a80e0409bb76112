/*
 * One of the command's output streams on its way through `microtrace run`: each line becomes a log
 * record, and every byte goes on to this process's own descriptor, in order and as soon as that
 * takes it. While it takes nothing, nothing more is read, and the command waits as it would without
 * us.
 */
#ifndef CLI_RUN_OUTPUT_H
#define CLI_RUN_OUTPUT_H

#include "cli/emit.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    RUN_OUTPUT_BUFFER = 65536,  /* bytes on their way: a pipe's content */
    RUN_OUTPUT_LINE_MAX = 8192, /* bytes of a line that its record has */
    RUN_OUTPUT_NAME_MAX = 256,
};

/* Where lines go. */
struct run_lines {
    struct emit *emit;
    struct log_context context;
    const char *program; /* the field `program` of each record */
};

struct run_output {
    const struct run_lines *lines;
    const char *name; /* "stdout" or "stderr": the field log.iostream */
    enum log_level level;
    int from; /* the pipe; -1: at its end */
    int to;   /* this process's stream, or a descriptor of our own for the same */
    bool to_is_ours, to_is_socket;
    bool to_may_wait;   /* another user's pipe, say, which could not be opened once more */
    bool lost;          /* a part could not be written, and nobody else knows */
    bool limited;       /* the command has ended ... */
    size_t left;        /* ... and so many bytes that are in the pipe are surely its own */
    size_t start, end;  /* of what is in the buffer */
    size_t line_length; /* of the line that has not ended, also beyond what is kept */
    char line[RUN_OUTPUT_LINE_MAX + 1];
    char buffer[RUN_OUTPUT_BUFFER];
};

/*
 * Makes the pipe. `fd` is STDOUT_FILENO or STDERR_FILENO. Returns the end for the command, to be
 * closed once that is started, or -1 with errno.
 */
int run_output_open(struct run_output *output, int fd, const struct run_lines *lines);

/* What to wait for next; `fd` is -1 for nothing. */
struct pollfd run_output_wants(const struct run_output *output);

/*
 * Reads or writes as far as that does not wait; gathers log lines for the next flush. Returns
 * whether there is something to flush.
 */
bool run_output_work(struct run_output *output);

/* The command has ended: from now on what is in the pipe is known. */
void run_output_command_ended(struct run_output *output);

/* Reads no more than what the command itself left: others that keep its stream open are not ours.
 */
void run_output_limit(struct run_output *output);

/* Whether all has gone on. */
bool run_output_done(const struct run_output *output);

/* Logs a last line without its newline, and closes what is open. */
void run_output_close(struct run_output *output);

#endif
