/*
 * A shared library that is loaded when it is first needed, so that those who do not need it start
 * without it and all that it brings.
 */
#ifndef LIB_BASE_LIBRARY_H
#define LIB_BASE_LIBRARY_H

#include <stddef.h>

/* A function's name in the library, and where its pointer goes. */
struct library_function {
    const char *name;
    size_t offset; /* in the struct of pointers */
};

/*
 * Loads the library of that soname and puts the addresses of the `count` functions into the struct
 * at `into`. It stays for the life of the process. Returns 0, or -1 with the reason in `error`, cut
 * at `size` bytes with its NUL, if there is none or it lacks a function.
 */
int library_load(const char *soname, const struct library_function *functions, size_t count,
                 void *into, char *error, size_t size);

#endif
