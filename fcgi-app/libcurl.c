#include "fcgi-app/libcurl.h"

#include "lib/base/library.h"

#include <stdbool.h>
#include <stdio.h>

enum { PROBLEM_MAX = 512 };

static const struct library_function functions[] = {
#define FUNCTION_ROW(function) {"curl_" #function, offsetof(struct libcurl, function)},
    LIBCURL_FUNCTIONS(FUNCTION_ROW)
#undef FUNCTION_ROW
};

const struct libcurl *libcurl_load(char *error, size_t size)
{
    static struct libcurl loaded;
    static bool is_loaded;
    char problem[PROBLEM_MAX];

    if (is_loaded)
        return &loaded;
    if (library_load("libcurl.so.4", functions, sizeof(functions) / sizeof(functions[0]), &loaded,
                     problem, sizeof(problem)) != 0) {
        (void)snprintf(error, size,
                       "DOWNSTREAM_ENABLED: \"true\" needs libcurl, which can't be loaded: %s; "
                       "install libcurl4",
                       problem);
        return NULL;
    }
    is_loaded = true;
    return &loaded;
}
