#include "lib/base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void descriptor_reserve_standard(void)
{
    int fd;

    /* By its path alone: nothing can be read from it or written to it. */
    do
        fd = open("/", O_PATH);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int descriptor_move(int fd)
{
    int moved, error;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    error = errno;
    (void)close(fd);
    errno = error;
    return moved;
}
