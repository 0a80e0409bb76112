#include "fcgi-app/libcurl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char library[] = "libcurl.so.4";

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define FUNCTION_ROW(function) {"curl_" #function, offsetof(struct libcurl, function)},
    LIBCURL_FUNCTIONS(FUNCTION_ROW)
#undef FUNCTION_ROW
};

/* Returns NULL, or why it can't be used. */
static const char *find_functions(struct libcurl *found, void *handle)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(handle, functions[i].name);

        if (function == NULL)
            return dlerror();
        memcpy((char *)found + functions[i].offset, &function, sizeof(function));
    }
    return NULL;
}

const struct libcurl *libcurl_load(char *error, size_t size)
{
    static struct libcurl loaded;
    static void *handle;
    const char *problem;

    if (handle != NULL)
        return &loaded;
    handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    problem = handle == NULL ? dlerror() : find_functions(&loaded, handle);
    if (problem == NULL)
        return &loaded;
    (void)snprintf(error, size,
                   "DOWNSTREAM_ENABLED: \"true\" needs libcurl, which can't be loaded: %s; "
                   "install libcurl4",
                   problem);
    if (handle != NULL)
        (void)dlclose(handle);
    handle = NULL;
    return NULL;
}
