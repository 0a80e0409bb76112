/*
 * `microtrace spool verify`: reads all of a spool and names each damaged record and its offset. It
 * never writes.
 */
#ifndef CLI_SPOOL_VERIFY_H
#define CLI_SPOOL_VERIFY_H

#include <stdbool.h>

/* With `json` each finding and each sum is a line of JSON. Returns COMMAND_OK, or COMMAND_FAILED if
 * anything is wrong or can't be read. */
int spool_verify_run(bool json);

#endif
