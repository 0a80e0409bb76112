/*
 * What `microtrace top --json` prints: all that there is to say of an instance, as one JSON object.
 */
#ifndef CLI_TOP_JSON_H
#define CLI_TOP_JSON_H

#include "view/overview.h"
#include "view/verdict.h"

/* To standard output, with a newline. Returns 0, or -1 without memory. */
int top_json_print(const struct overview *overview, const struct verdict *verdict);

#endif
