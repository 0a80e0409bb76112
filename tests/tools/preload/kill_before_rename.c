/*
 * For tests, by LD_PRELOAD: kills the program when it is about to give a file the name that
 * KILL_RENAME_NAME holds for the time that KILL_RENAME_CALL says, from 1.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
    static int (*real)(int, const char *, int, const char *);
    static long calls;
    const char *const name = getenv("KILL_RENAME_NAME"), *const call = getenv("KILL_RENAME_CALL");

    if (name != NULL && call != NULL && strcmp(new, name) == 0 && ++calls == strtol(call, NULL, 10))
        (void)kill(getpid(), SIGKILL);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "renameat");
    return real(old_dir, old, new_dir, new);
}
