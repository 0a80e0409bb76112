/*
 * Runs another program for what it says: the agent's --check and --probe, a --version.
 */
#ifndef CLI_DOCTOR_EXEC_H
#define CLI_DOCTOR_EXEC_H

#include "cli/doctor.h"

enum {
    DOCTOR_EXEC_OUTPUT_MAX = 16384,
    DOCTOR_EXEC_NOT_RUN = -1, /* there is no such program, or it can't be run */
    DOCTOR_EXEC_NO_END = -2,  /* it did not end in time and was killed, or died by a signal */
};

/*
 * Runs argv (argv[0] is a path), for `timeout_ms` at most, for the chosen instance
 * (instance_export). Where this process is root, it runs as the instance's user
 * (doctor_commands_user): a setting of that user's can't make root read a file. What it prints on
 * stdout and stderr goes to `output`, cut and NUL-terminated. Returns its exit status or one of the
 * above.
 */
int doctor_exec(const struct doctor *doctor, const char *const argv[], int timeout_ms,
                char output[DOCTOR_EXEC_OUTPUT_MAX]);

/*
 * Where the program of that name is: beside this one, or else on PATH. Returns -1 for nowhere.
 */
int doctor_exec_find(const char *name, char path[DOCTOR_TEXT_MAX]);

/* The same as a word for a shell: the name alone where PATH leads to that file, or it is nowhere.
 */
struct doctor_text doctor_exec_word(const char *name);

/* Takes the next line of the output: returns it, NUL-terminated, or NULL at the end. */
char *doctor_exec_line(char **rest);

#endif
