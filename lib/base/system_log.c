#include "lib/base/system_log.h"

#include "lib/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

bool system_log_is_needed(void)
{
    struct stat status;

    if (fstat(STDERR_FILENO, &status) != 0)
        return true;
    /* Linux, Documentation/admin-guide/devices.txt: 1, 3 is /dev/null. */
    return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

void system_log_say(const char *line)
{
    static const struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char text[LINE_MAX_BYTES], packet[LINE_MAX_BYTES + 128];
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int length;

    if (fd < 0)
        return;
    text[printable_copy(text, sizeof(text) - 1, line, strnlen(line, sizeof(text) - 1))] = '\0';
    /* Without a time, which the log's reader has itself. */
    length = snprintf(packet, sizeof(packet), "<%d>%.80s[%ld]: %s", LOG_DAEMON | LOG_WARNING,
                      program_invocation_short_name, (long)getpid(), text);
    if (length > 0)
        (void)sendto(fd, packet, strnlen(packet, sizeof(packet)), MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&log, sizeof(log));
    (void)close(fd);
}
