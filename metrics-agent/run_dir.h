/*
 * The agent's run directory: made and checked at the start, and made anew where somebody takes it
 * away while the agent runs (rm -rf), since nobody else would.
 */
#ifndef METRICS_AGENT_RUN_DIR_H
#define METRICS_AGENT_RUN_DIR_H

#include <stdbool.h>
#include <stdint.h>

enum { RUN_DIR_REASON_MAX = 512 };

/* Starts zeroed but for `path`, which is borrowed. */
struct run_dir {
    const char *path;
    char problem[RUN_DIR_REASON_MAX]; /* with directory or metrics file, as it was said; "" */
    bool gone;                        /* and can't be made: `problem` says why */
    uint64_t look_ns;                 /* no look at it before */
};

/*
 * Makes the directory if it is missing. Returns 0, or -1 where it must not be used: it is another
 * user's, and everybody may write there. Whatever is wrong is said on standard error.
 */
int run_dir_prepare(const struct run_dir *dir);

/*
 * Looks at the directory, once a second at most. `metrics` is what is wrong with the metrics file
 * (metrics_problem), or NULL. What changes is said on standard error. Returns whether the directory
 * was gone and was made anew.
 */
bool run_dir_keep(struct run_dir *dir, const char *metrics, uint64_t now_ns);

#endif
