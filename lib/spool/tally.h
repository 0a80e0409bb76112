/*
 * What the writers of a spool file say that they have appended, so that the agent need not read a
 * file only to know how many records it drops with it.
 *
 * A writer adds to the tally after its write, so one that is killed in between leaves it short for
 * ever, and a writer that keeps none adds nothing. So a tally counts only where its bytes are all
 * that the file has; else whoever wants to know the number reads the file. It lies in memory that
 * processes share, 0 at first; docs/metrics-file.md, section "Shared words", has its bits.
 */
#ifndef LIB_SPOOL_TALLY_H
#define LIB_SPOOL_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPOOL_TALLY_WORDS = 8 /* of a signal: so many files at a time, whichever come first */ };

/*
 * Adds an append that was written whole: `bytes`, with `records` in them. With inode 0 it adds
 * nothing: the append went to two files, which the agent then reads. Waits for nobody.
 */
void spool_tally_add(_Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode, size_t bytes,
                     uint64_t records);

/*
 * What was added for the file. Returns false where there is nothing, or more than a tally can hold.
 * Everything in it was in the file before this call; so it is right if the file's size, looked at
 * after it, is *bytes.
 */
bool spool_tally_get(const _Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode,
                     uint64_t *bytes, uint64_t *records);

/* Forgets the file's tally: its inode's number may soon be another file's. */
void spool_tally_clear(_Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode);

#endif
