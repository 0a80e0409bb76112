#include "lib/base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Returns NULL, or why it can't be used. */
static const char *find_functions(void *handle, const struct library_function *functions,
                                  size_t count, void *into)
{
    for (size_t i = 0; i < count; i++) {
        void *const function = dlsym(handle, functions[i].name);

        if (function == NULL)
            return dlerror();
        memcpy((char *)into + functions[i].offset, &function, sizeof(function));
    }
    return NULL;
}

int library_load(const char *soname, const struct library_function *functions, size_t count,
                 void *into, char *error, size_t size)
{
    void *const handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    const char *const problem =
        handle == NULL ? dlerror() : find_functions(handle, functions, count, into);

    if (problem == NULL)
        return 0;
    (void)snprintf(error, size, "%s", problem);
    if (handle != NULL)
        (void)dlclose(handle);
    return -1;
}
