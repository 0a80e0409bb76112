/*
 * How much memory a process has, and its command, from /proc (proc(5)).
 */
#ifndef VIEW_PROCESS_MEMORY_H
#define VIEW_PROCESS_MEMORY_H

#include <stdint.h>

enum { PROCESS_MEMORY_COMMAND_MAX = 16 /* bytes of a command's name, with its NUL: comm */ };

/*
 * Resident bytes of process `pid`, or 0 if they are not known: it can't be seen, is in a pid
 * namespace of its own, or began after `since_ns` (Unix time, when somebody of that number was
 * there), so that it is another one. `command` becomes the name of what it runs, "" with 0.
 */
uint64_t process_memory_resident(uint32_t pid, uint64_t since_ns,
                                 char command[PROCESS_MEMORY_COMMAND_MAX]);

#endif
