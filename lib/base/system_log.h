/*
 * The system's log, for what has to be told where stderr leads nowhere: a lighttpd that runs in the
 * background gives the programs that it starts /dev/null for it, unless server.breakagelog is set.
 */
#ifndef LIB_BASE_SYSTEM_LOG_H
#define LIB_BASE_SYSTEM_LOG_H

#include <stdbool.h>

/* Whether what is written to stderr is read by nobody: it is /dev/null, or closed. */
bool system_log_is_needed(void);

/*
 * Sends one line to /dev/log, as a warning of the facility daemon (RFC 3164), with the program's
 * name and process id; what is longer than 2 KiB is cut, and control characters are shown as
 * escapes. Never waits, unlike syslog(3): without a reader that has room the line is lost.
 */
void system_log_say(const char *line);

#endif
