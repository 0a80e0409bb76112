/*
 * Keeps a warning that every process would repeat at every request to one a minute for all of a
 * user's processes. A CGI program is a new process each time, so it can't remember that itself.
 */
#ifndef LIB_BASE_REMINDER_H
#define LIB_BASE_REMINDER_H

#include <stdbool.h>

enum { REMINDER_S = 60 };

/*
 * Whether no process of this user has been told so for `about` within the last REMINDER_S seconds.
 * The time is that of an empty file in $TMPDIR (or /tmp), which is the user's own: another user can
 * neither forge nor follow it. Where it can't be made the answer is always true.
 */
bool reminder_due(const char *about);

#endif
