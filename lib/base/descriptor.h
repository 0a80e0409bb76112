/*
 * Descriptors 0 to 2 are where a program's words go, whoever has opened them. Where one of them is
 * closed when a program starts, the next file to be opened gets its number: a message on stderr
 * then goes into the metrics file, an answer into a log.
 */
#ifndef LIB_BASE_DESCRIPTOR_H
#define LIB_BASE_DESCRIPTOR_H

/*
 * For a program, before it opens anything: those of the three that are closed stay as good as
 * closed (reading and writing fails with EBADF, also in what it starts), but nothing else gets
 * their numbers.
 */
void descriptor_reserve_standard(void);

/*
 * For the library, in whoever's program: moves a descriptor that has just been opened away from
 * these numbers. Takes -1 for a failed one, and keeps its errno. Returns the descriptor, which then
 * is O_CLOEXEC, or -1 with errno.
 */
int descriptor_move(int fd);

#endif
