/*
 * What `microtrace doctor --fix` does: it makes a directory of the instance, and sets its mode and
 * owner. No symbolic link is followed, in no part of the path, so that root does nothing where
 * somebody else has put one.
 */
#ifndef CLI_DOCTOR_FIX_H
#define CLI_DOCTOR_FIX_H

#include <stdbool.h>
#include <sys/types.h>

/* Nobody in particular: as it is, or as it comes. */
#define DOCTOR_FIX_ANY ((uid_t)-1)

/*
 * Makes the directory with INSTANCE_DIR_MODE for that owner and group, or DOCTOR_FIX_ANY and
 * (gid_t)-1. What is above it has to be there. Returns 0, or -1 with errno: ELOOP for a link.
 */
int doctor_fix_make(const char *path, uid_t uid, gid_t gid);

/*
 * Whether others use the directory too (/run, /tmp, a home directory), and would be shut out by an
 * instance's mode: it is sticky, or has a subdirectory or a hidden file that no instance has. False
 * where it can't be looked into.
 */
bool doctor_fix_is_shared(const char *path);

/*
 * Gives the directory INSTANCE_DIR_MODE, owner and group. Returns 0, or -1 with errno: EPERM where
 * it belongs to neither this user, nor root, nor `uid`.
 */
int doctor_fix_set(const char *path, uid_t uid, gid_t gid);

#endif
