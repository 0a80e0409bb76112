#include "cli/setup_files.h"

#include "cli/dir_lock.h"
#include "lib/base/instance_file.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLLOW_NOT = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static int fail(const char *path, const char *why)
{
    printable_error("microtrace setup: %s: %s", path, why);
    return -1;
}

static void say(const char *what, const char *dir, const char *name, const char *more)
{
    char line[2 * SETUP_TEXT_PATH_MAX];

    (void)snprintf(line, sizeof(line), "%-8s%s%s%s%s", what, dir, name[0] != '\0' ? "/" : "", name,
                   more);
    printable_write(stdout, line, strlen(line));
    (void)putchar('\n');
}

/* --- Folders --- */

static int check(const struct setup_dir *dir)
{
    struct stat status;

    if (fstat(dir->fd, &status) != 0)
        return fail(dir->path, strerror(errno));
    if (status.st_uid != geteuid())
        return fail(dir->path, "it belongs to another user; run setup as that one, or name a "
                               "folder of your own");
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fail(dir->path, "others may write there; take that away: chmod go-w");
    return 0;
}

/* `path` is for messages; relative to `at` it is `name`. */
static int open_dir(struct setup_dir *dir, int at, const char *name, const char *path, mode_t mode)
{
    const bool made = mkdirat(at, name, mode) == 0;

    if (!made && errno != EEXIST)
        return fail(path, strerror(errno));
    dir->fd = openat(at, name, FOLLOW_NOT);
    if (dir->fd < 0)
        return fail(path, errno == ENOTDIR || errno == ELOOP
                              ? "it is no folder, or a symbolic link, which is not followed here; "
                                "name the folder itself"
                              : strerror(errno));
    if (made && fchmod(dir->fd, mode) != 0) {
        (void)fail(path, strerror(errno));
        setup_files_close(dir);
        return -1;
    }
    return made;
}

static int finish(struct setup_dir *dir, bool made)
{
    if (check(dir) != 0) {
        setup_files_close(dir);
        return -1;
    }
    say(made ? "made" : "kept", dir->path, "", "/");
    return 0;
}

/* The way there may lead elsewhere by now. */
static bool leads_to(const char *path, int fd)
{
    struct stat found, opened;

    return stat(path, &found) == 0 && fstat(fd, &opened) == 0 && found.st_dev == opened.st_dev &&
           found.st_ino == opened.st_ino;
}

int setup_files_open(struct setup_dir *dir, const char *path, mode_t mode)
{
    const int made = open_dir(dir, AT_FDCWD, path, path, mode);
    char *const real = made >= 0 ? realpath(path, NULL) : NULL;

    if (made >= 0 && (real == NULL || !setup_text_path_fits(real))) {
        (void)fail(path, real == NULL ? strerror(errno)
                                      : "a path that is longer than 1000 bytes, or holds a "
                                        "backslash or what can't be printed, can't be used");
        setup_files_close(dir);
        /* It is as if it had not been made. */
        if (made > 0)
            (void)rmdir(path);
        free(real);
        return -1;
    }
    if (made < 0)
        return -1;
    (void)strcpy(dir->path, real);
    free(real);
    if (finish(dir, made > 0) != 0)
        return -1;
    if (dir_lock(dir->fd) == 0 && leads_to(dir->path, dir->fd))
        return 0;
    (void)fail(dir->path, "another setup is at work there; try again");
    setup_files_close(dir);
    return -1;
}

int setup_files_open_in(struct setup_dir *dir, const struct setup_dir *parent, const char *name,
                        mode_t mode)
{
    int made;

    if (snprintf(dir->path, sizeof(dir->path), "%s/%s", parent->path, name) >=
        (int)sizeof(dir->path))
        return fail(parent->path, strerror(ENAMETOOLONG));
    made = open_dir(dir, parent->fd, name, dir->path, mode);
    return made < 0 ? -1 : finish(dir, made > 0);
}

void setup_files_close(struct setup_dir *dir)
{
    if (dir->fd >= 0)
        (void)close(dir->fd);
    dir->fd = -1;
}

bool setup_files_is_below_others(const struct setup_dir *dir, char above[SETUP_TEXT_PATH_MAX])
{
    struct stat status;
    char *slash;

    (void)strcpy(above, dir->path);
    while ((slash = strrchr(above, '/')) != NULL && strcmp(above, "/") != 0) {
        slash[slash == above ? 1 : 0] = '\0';
        if (stat(above, &status) == 0 && ((status.st_uid != 0 && status.st_uid != geteuid()) ||
                                          (status.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH))
            return true;
    }
    return false;
}

/* --- Files --- */

/* Returns 1 with what is in the file, cut at SETUP_TEXT_MAX, 0 if there is none, -1 on failure. */
static int read_file(const struct setup_dir *dir, const char *name, char text[SETUP_TEXT_MAX + 1])
{
    const int fd = instance_file_open(dir->fd, name, O_RDONLY, NULL);
    ssize_t length;

    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    length = read(fd, text, SETUP_TEXT_MAX);
    (void)close(fd);
    if (length < 0)
        return -1;
    text[length] = '\0';
    return 1;
}

int setup_files_write(const struct setup_dir *dir, const char *name, mode_t mode, const char *text)
{
    char found[SETUP_TEXT_MAX + 1], path[2 * SETUP_TEXT_PATH_MAX];
    const int is_there = read_file(dir, name, found);

    (void)snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    if (is_there < 0)
        return fail(path, instance_file_error(errno));
    if (is_there > 0 && strcmp(found, text) == 0) {
        say("kept", dir->path, name, "");
        return 0;
    }
    /* An empty one is what a loss of power may leave. */
    if (is_there > 0 && found[0] != '\0' && !setup_text_is_unchanged(found)) {
        say("kept", dir->path, name, " (it was changed)");
        return 0;
    }
    if (instance_file_replace(dir->fd, name, mode, text, strlen(text)) != 0)
        return fail(path, strerror(errno));
    say(is_there > 0 ? "renewed" : "made", dir->path, name, "");
    return 0;
}
