#include "supervisor/error_pages.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    unsigned status;
    const char *detail;
} pages[] = {
    {400, "Bad Request"},
    {403, "Not Found"}, /* a path below a file of /docs */
    {404, "Not Found"},
    {408, "Request Timeout"},
    {411, "Length Required"},
    {413, "Request body too large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static int write_page(const char *path, const char *detail)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "{\"detail\":\"%s\"}", detail);
    (void)unlink(path); /* the last start's */
    int fd = instance_file_make(AT_FDCWD, path, 0640);
    if (fd == -1)
        return -1;
    ssize_t written = write(fd, text, (size_t)len);
    if (close(fd) != 0)
        return -1;
    if (written >= 0 && written != len)
        errno = ENOSPC;
    return written == len ? 0 : -1;
}

int error_pages_write(const char *dir)
{
    char path[PATH_MAX + 32];
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        /* The name is lighttpd's choice; lighttpd.conf says that the content is JSON. */
        (void)snprintf(path, sizeof(path), "%s/%u.html", dir, pages[i].status);
        if (write_page(path, pages[i].detail) != 0) {
            message_print("%s can't be written: %s", path, strerror(errno));
            return -1;
        }
    }
    return 0;
}
