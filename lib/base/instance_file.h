/*
 * Opens the files of an instance: all in its run and spool directories. A group shares these, so
 * under any name there may be anything that a member put there: a symbolic link, a second name of
 * somebody else's file, a FIFO that holds up whoever opens it. What is opened here is a regular
 * file that has this one name and belongs to one of the group; nothing is followed, waited for or
 * truncated, and no mode is changed but of files that are ours.
 */
#ifndef LIB_BASE_INSTANCE_FILE_H
#define LIB_BASE_INSTANCE_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

enum {
    INSTANCE_FILE_MODE = 0660,
    INSTANCE_DIR_MODE = 02770,
    INSTANCE_DIR_REASON_MAX = 512,
};

/*
 * Opens `path`, relative to `dir_fd` as for openat(2). `flags` are the access mode, O_APPEND, and
 * O_CREAT to make a missing file, with INSTANCE_FILE_MODE whatever the umask. *status (unless NULL)
 * is that of the file. Returns the descriptor, which never blocks and is not one of 0 to 2, or -1
 * with errno: ELOOP for a symbolic link, EISDIR, EINVAL for what is no regular file otherwise,
 * EMLINK for a file that has a second name, EPERM for one whose owner is neither this process's
 * user, nor root, nor the directory's owner, and which is not of the directory's group either
 * (unless everybody may write to the directory).
 */
int instance_file_open(int dir_fd, const char *path, int flags, struct stat *status);

/* Makes and opens a file for reading and writing that did not exist. Returns -1 with errno. */
int instance_file_make(int dir_fd, const char *path, mode_t mode);

/*
 * Puts a file of the `len` bytes in the place of `name`, as a whole: by `name`.new, which is taken
 * away first where a process that died has left it. Not synced. Returns 0, or -1 with errno and
 * what was there before.
 */
int instance_file_replace(int dir_fd, const char *name, mode_t mode, const void *bytes, size_t len);

/*
 * Whether `name` is there and no regular file, nor a link to one: a device, say. /dev/stdout counts
 * as such too, wherever it leads (proc(5)). Nothing should take its place.
 */
bool instance_file_is_other(int dir_fd, const char *name);

/*
 * Whether fstat(2) or lstat(2) found a regular file with one name: 0, or the errno that
 * instance_file_open sets; ENOENT for a file that was removed meanwhile.
 */
int instance_file_check(const struct stat *status);

/* What an errno of these functions means and what to do; strerror's text for any other. */
const char *instance_file_error(int error);

/* Opens a directory for reading. Returns -1 with errno. */
int instance_dir_open(int dir_fd, const char *path);

/*
 * Makes the directory unless it is there, with INSTANCE_DIR_MODE whatever the umask, and for
 * `group` if this process may give it to that one; (gid_t)-1: that of its parent or process.
 * Returns 0, or -1 with errno.
 */
int instance_dir_make(const char *path, gid_t group);

enum instance_dir_state {
    INSTANCE_DIR_SAFE,
    INSTANCE_DIR_OPEN,    /* ours or root's, but everybody may put files there */
    INSTANCE_DIR_FOREIGN, /* another user's, and everybody may */
};

/*
 * Who may put files into the directory `path`, by its status: a group, or everybody. A sticky
 * directory is as good, and so is a set-group-ID one of root's: Kubernetes makes volumes like that,
 * for one pod's eyes. For all but INSTANCE_DIR_SAFE `reason` names the directory and the command
 * that mends it.
 */
enum instance_dir_state instance_dir_check(const struct stat *status, const char *path,
                                           char reason[INSTANCE_DIR_REASON_MAX]);

#endif
