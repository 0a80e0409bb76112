/*
 * A directory's lock: who replaces files there one at a time takes it, since the new file has the
 * same name for all until it is whole.
 */
#ifndef CLI_DIR_LOCK_H
#define CLI_DIR_LOCK_H

/*
 * Takes the lock of the directory `fd` until that is closed; waits for 10 s at most. Returns 0,
 * also where the file system has no such locks, or -1 with errno EBUSY: somebody still has it.
 */
int dir_lock(int fd);

#endif
