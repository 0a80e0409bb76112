/*
 * The functions of libcurl that this program calls, from a library that is loaded when the first
 * downstream call needs it. libcurl brings some thirty other libraries, whose loading is three
 * quarters of what a plain CGI process costs (docs/benchmarks.md); most such processes call nobody.
 */
#ifndef FCGI_APP_LIBCURL_H
#define FCGI_APP_LIBCURL_H

#include <curl/curl.h>
#include <stddef.h>

#define LIBCURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_perform)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(free)                                                                                        \
    X(global_cleanup)                                                                              \
    X(global_init)                                                                                 \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)                                                                                     \
    X(version_info)

/* Each function under its name without `curl_`, with the type that curl/curl.h gives it. */
struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
    LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/*
 * Loads the library at the first call; it stays for the life of the process. Returns NULL with a
 * message in `error`, cut at `size` bytes, if there is none or it lacks a function.
 */
const struct libcurl *libcurl_load(char *error, size_t size);

#endif
