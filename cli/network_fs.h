/*
 * File systems that several hosts share. The memory of a mapped file is one for the processes of
 * one kernel alone, and locks may fail there.
 */
#ifndef CLI_NETWORK_FS_H
#define CLI_NETWORK_FS_H

struct statfs;

/* The name of the file system that fstatfs(2) has told of, static; NULL if it is none of these. */
const char *network_fs_name(const struct statfs *system);

#endif
