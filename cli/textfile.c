#include "cli/textfile.h"

#include "cli/dir_lock.h"
#include "lib/base/instance_file.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/file.h"
#include "lib/metrics/reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MODE = 0644 };

/* Fills `out`, which is to be freed either way. */
static int render(const char *run_dir, struct exposition *out, char reason[TEXTFILE_REASON_MAX])
{
    struct metrics_reader *const reader = metrics_reader_open(run_dir);
    int result = -1;

    exposition_begin(out, EXPOSITION_PROMETHEUS);
    if (reader == NULL) {
        (void)snprintf(reason, TEXTFILE_REASON_MAX, "out of memory");
        return -1;
    }
    if (metrics_reader_refresh(reader) != 0) {
        (void)snprintf(reason, TEXTFILE_REASON_MAX, "%s", metrics_reader_problem(reader));
    } else {
        exposition_reader(out, reader);
        result = exposition_end(out);
        if (result == 0 && metrics_reader_lost(reader))
            result = -1;
        if (result != 0)
            (void)snprintf(reason, TEXTFILE_REASON_MAX, "%s/" METRICS_FILE_NAME ": %s", run_dir,
                           metrics_reader_lost(reader) ? "truncated while read" : "out of memory");
    }
    metrics_reader_close(reader);
    return result;
}

/* Returns NULL, or what is wrong. */
static const char *put(int dir_fd, const char *name, const struct exposition *text)
{
    if (instance_file_is_other(dir_fd, name))
        return "it is no regular file";
    return dir_lock(dir_fd) == 0 &&
                   instance_file_replace(dir_fd, name, MODE, text->text, text->len) == 0
               ? NULL
               : strerror(errno);
}

static int replace(const char *path, const struct exposition *text,
                   char reason[TEXTFILE_REASON_MAX])
{
    const char *const slash = strrchr(path, '/'), *const name = slash != NULL ? slash + 1 : path;
    char dir[PATH_MAX] = ".";
    const char *why;
    int dir_fd;

    if (slash != NULL)
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash + 1 - path), path);
    dir_fd = instance_dir_open(AT_FDCWD, dir);
    if (dir_fd < 0) {
        (void)snprintf(reason, TEXTFILE_REASON_MAX, "%.300s: %s", dir, strerror(errno));
        return -1;
    }
    why = put(dir_fd, name, text);
    if (why != NULL)
        (void)snprintf(reason, TEXTFILE_REASON_MAX, "%.300s can't be written: %s", path, why);
    (void)close(dir_fd);
    return why == NULL ? 0 : -1;
}

int textfile_write(const char *run_dir, const char *path, char reason[TEXTFILE_REASON_MAX])
{
    struct exposition text;
    int result = render(run_dir, &text, reason);

    if (result == 0)
        result = replace(path, &text, reason);
    exposition_free(&text);
    return result;
}
