#include "metrics-agent/header_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_ROOM = 512 };

static void say(const struct header_file *file, void (*warn)(const char *message), const char *what,
                const char *then)
{
    char message[MESSAGE_ROOM];

    if (warn == NULL)
        return;
    (void)snprintf(message, sizeof message, "%s: %.300s: %s; %s", file->variable, file->path, what,
                   then);
    warn(message);
}

/* Reads at most `room` bytes. Returns how many there are, or -1 and errno. */
static ssize_t read_all(int fd, char *into, size_t room)
{
    size_t len = 0;

    while (len < room) {
        const ssize_t n = read(fd, into + len, room - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* Returns 0 with the file's text in `text`, or -1 and what is wrong with it; "" if errno says it.
 */
static int read_file(const struct header_file *file, char text[HEADER_FILE_MAX + 2], mode_t *mode,
                     const char **problem)
{
    /* O_NONBLOCK: a FIFO of that name must not hold the agent. */
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    ssize_t len = -1;
    int error;

    *problem = "";
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0) {
        if (!S_ISREG(status.st_mode))
            *problem = "not a regular file";
        else if ((len = read_all(fd, text, HEADER_FILE_MAX + 1)) > HEADER_FILE_MAX)
            *problem = "larger than 16384 bytes";
        else if (len > 0 && memchr(text, '\0', (size_t)len) != NULL)
            *problem = "it holds a NUL byte";
    }
    error = errno;
    (void)close(fd);
    errno = error;
    if (len < 0 || **problem != '\0')
        return -1;
    text[len] = '\0';
    *mode = status.st_mode;
    return 0;
}

static bool is_same(struct header_file *file, const struct stat *status, int error)
{
    const bool same =
        file->looked && file->error == error &&
        (error != 0 ||
         (file->device == status->st_dev && file->inode == status->st_ino &&
          file->size == status->st_size && file->changed.tv_sec == status->st_ctim.tv_sec &&
          file->changed.tv_nsec == status->st_ctim.tv_nsec));

    file->looked = true;
    file->error = error;
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->size = status->st_size;
    file->changed = status->st_ctim;
    return same;
}

bool header_file_look(struct header_file *file, void (*warn)(const char *message))
{
    char text[HEADER_FILE_MAX + 2];
    struct stat status = {.st_dev = 0};
    const int error = stat(file->path, &status) == 0 ? 0 : errno;
    const char *problem = "";
    mode_t mode = 0;

    if (is_same(file, &status, error))
        return false;
    if (error != 0 || read_file(file, text, &mode, &problem) != 0) {
        if (problem[0] == '\0')
            problem = strerror(error != 0 ? error : errno);
        say(file, warn, problem,
            file->text[0] != '\0' ? "the headers read before stay"
                                  : "records are sent without its headers");
        return false;
    }
    if ((mode & S_IROTH) != 0)
        say(file, warn, "every user can read it", "chmod o-r keeps its secrets");
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r')
            *c = ',';
    }
    strcpy(file->text, text);
    return true;
}
