/*
 * `microtrace spool verify`: reads all of a spool and says what in it is no good record, and where.
 * It never writes.
 */
#ifndef CLI_SPOOL_VERIFY_H
#define CLI_SPOOL_VERIFY_H

/* Returns COMMAND_OK, or COMMAND_FAILED where anything is wrong or can't be read. */
int spool_verify_run(void);

#endif
