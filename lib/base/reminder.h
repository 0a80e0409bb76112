/*
 * What every process of a host would say at every request, said once a minute by one of them: a CGI
 * program is a new process each time, so its own memory is no measure.
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
