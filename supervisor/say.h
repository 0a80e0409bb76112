/* The supervisor's own lines. */
#ifndef SUPERVISOR_SAY_H
#define SUPERVISOR_SAY_H

/* Prints one line on stderr, after the program's name. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif
