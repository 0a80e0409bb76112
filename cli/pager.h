/*
 * What is long goes through the user's pager where standard output is a terminal: PAGER, else
 * less(1), as git(1) and journalctl(1) do it.
 */
#ifndef CLI_PAGER_H
#define CLI_PAGER_H

#include <stdio.h>
#include <sys/types.h>

/*
 * Starts PAGER by sh(1) ("" or "cat" is none; without PAGER less, which ends at once where a screen
 * holds all of it: LESS=FRX unless that is set), and puts its pipe in the place of standard output
 * for as long as pager_wait is not called. Returns its pid, or 0 where there is none or sh could
 * not be started: what is printed then goes to standard output itself.
 */
pid_t pager_start(void);

/*
 * Ends its input and waits for it; 0 does nothing. Returns 0, or -1 where sh(1) could not run PAGER
 * and has said so: then nobody has seen what was printed.
 */
int pager_wait(pid_t pager);

#endif
