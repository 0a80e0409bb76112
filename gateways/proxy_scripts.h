/*
 * Which scripts exist: the answers of stat(2), kept for some seconds, so that a request asks a disk
 * about a script that many ask for only now and then. Bounded: a table of PROXY_SCRIPTS places.
 */
#ifndef GATEWAYS_PROXY_SCRIPTS_H
#define GATEWAYS_PROXY_SCRIPTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROXY_SCRIPTS = 1024,
    PROXY_SCRIPTS_PATH_MAX = 255, /* bytes of a path that is kept; a longer one is looked up */
    PROXY_SCRIPTS_AGE_MS = 10000,
};

struct proxy_scripts;

/* Returns NULL if memory runs out. */
struct proxy_scripts *proxy_scripts_open(void);
void proxy_scripts_free(struct proxy_scripts *scripts);

/* Whether `path` is a regular file, as of at most PROXY_SCRIPTS_AGE_MS ago. NULL is none. */
bool proxy_scripts_exists(struct proxy_scripts *scripts, const char *path, uint64_t now_ms);

#endif
