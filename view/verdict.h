/*
 * Is it well? One sentence, and what is wrong with the command that mends it, in the words of
 * `microtrace doctor` and `microtrace spool status`. Pure.
 */
#ifndef VIEW_VERDICT_H
#define VIEW_VERDICT_H

#include "lib/spool/agent_status.h"
#include "view/overview.h"

#include <stddef.h>

enum {
    VERDICT_TEXT_MAX = 512,
    VERDICT_PROBLEMS_MAX = 16,
};

enum verdict_level { VERDICT_WELL, VERDICT_WARNING, VERDICT_WRONG };

struct verdict_problem {
    enum verdict_level level;
    char text[VERDICT_TEXT_MAX];
    char mend[VERDICT_TEXT_MAX]; /* a shell command, or "" */
};

struct verdict {
    enum verdict_level level;
    char sentence[VERDICT_TEXT_MAX];
    struct verdict_problem problems[VERDICT_PROBLEMS_MAX]; /* the worst first */
    size_t problem_count;
};

/*
 * `status` is NULL where no agent has left one; `agent` is what the agent itself says is wrong, ""
 * for nothing. `overview` is best one of 5 minutes.
 */
void verdict_make(struct verdict *verdict, const struct overview *overview,
                  const struct agent_status *status, const char *agent);

#endif
