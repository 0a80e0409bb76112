#include "cli/sibling.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int sibling_path(char out[PATH_MAX], const char *name)
{
    const ssize_t length = readlink("/proc/self/exe", out, PATH_MAX);
    char *slash;

    if (length < 0)
        return -1;
    errno = ENAMETOOLONG;
    if (length == PATH_MAX)
        return -1;
    out[length] = '\0';
    slash = strrchr(out, '/');
    if (slash == NULL || (size_t)(slash + 1 - out) + strlen(name) >= PATH_MAX)
        return -1;
    (void)strcpy(slash + 1, name);
    return 0;
}
