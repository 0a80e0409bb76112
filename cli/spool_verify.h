/*
 * `microtrace spool verify`: reads all of a spool and names each damaged record and its offset. It
 * never writes.
 */
#ifndef CLI_SPOOL_VERIFY_H
#define CLI_SPOOL_VERIFY_H

/* Returns COMMAND_OK, or COMMAND_FAILED if anything is wrong or can't be read. */
int spool_verify_run(void);

#endif
