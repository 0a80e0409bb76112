/*
 * The spool's two tiers (docs/spool.md): the same files in memory, MICROTRACE_RUN_DIR/spool, and on
 * a disk, MICROTRACE_SPOOL_DIR. What part of MICROTRACE_SPOOL_MEMORY_BYTES is whose, so that
 * writers and agent together stay within it without asking each other.
 */
#ifndef LIB_SPOOL_TIERS_H
#define LIB_SPOOL_TIERS_H

enum {
    SPOOL_TIERS_SEAL_SHARE = 16, /* an active file is sealed from a sixteenth on ... */
    SPOOL_TIERS_ACTIVE_SHARE =
        8,                      /* ... and writers leave off at an eighth: of each signal's file */
    SPOOL_TIERS_MOVE_SHARE = 2, /* with half of it in use the oldest segments move to the disk */
    /*
     * With more than five eighths in sealed segments (processes that idle hold them) no other file
     * is sealed: one more, and an active one of each signal, make up the rest.
     */
    SPOOL_TIERS_SEALED_EIGHTHS = 5,
};

#endif
