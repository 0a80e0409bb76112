/*
 * Is the instance well? view/verdict.h, with what the command can see of the agent beside it.
 */
#ifndef CLI_TOP_VERDICT_H
#define CLI_TOP_VERDICT_H

#include "view/overview.h"
#include "view/verdict.h"

/* Of the chosen instance (cli/instance.h). Reads the agent's status and lock, and no more. */
void top_verdict_make(struct verdict *verdict, const struct overview *overview);

#endif
