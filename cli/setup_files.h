/*
 * Makes the folders and files of `microtrace setup` and says so, one line each on standard output;
 * what can't be made is a line on standard error. What is there already is kept as it is, but for
 * files that setup wrote itself and nobody has changed since. No symbolic link is followed.
 */
#ifndef CLI_SETUP_FILES_H
#define CLI_SETUP_FILES_H

#include "cli/setup_text.h"

#include <stdbool.h>
#include <sys/types.h>

struct setup_dir {
    int fd;
    char path[SETUP_TEXT_PATH_MAX]; /* absolute */
};

/*
 * Opens the directory, and makes it, but not its parents, if it is missing. Refuses what belongs to
 * another user, or what others may write to: they could replace what is in there. Until it is
 * closed another setup waits for it, for 10 s at most. Returns 0, or -1.
 */
int setup_files_open(struct setup_dir *dir, const char *path, mode_t mode);

/* The same for the directory `name` in another one. */
int setup_files_open_in(struct setup_dir *dir, const struct setup_dir *parent, const char *name,
                        mode_t mode);

void setup_files_close(struct setup_dir *dir);

/* Puts the text into the file `name`. Returns 0, also where it is kept as it is, or -1. */
int setup_files_write(const struct setup_dir *dir, const char *name, mode_t mode, const char *text);

/*
 * Whether a folder above `dir` is another user's, or open to everybody: who can put other settings
 * in the place of these. `above` is the path of it.
 */
bool setup_files_is_below_others(const struct setup_dir *dir, char above[SETUP_TEXT_PATH_MAX]);

#endif
