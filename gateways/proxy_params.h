/*
 * A request's parameters: collected, read, and written anew for the program behind, with the trace
 * context and the request id that it is to see.
 */
#ifndef GATEWAYS_PROXY_PARAMS_H
#define GATEWAYS_PROXY_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_PARAMS_SET_MAX = 16,
    PROXY_PARAMS_ROOM = 64, /* bytes behind what proxy_params_write returns, for its caller */
};

struct proxy_params {
    uint8_t *bytes; /* pairs as they came */
    size_t size, room;
    char *text; /* the same as "NAME=value", each with a NUL */
};

/* Adds bytes of PARAMS records. Returns 0, or -1 if memory runs out. */
int proxy_params_add(struct proxy_params *params, const void *bytes, size_t size);

/*
 * Reads the pairs into params->text and returns a NULL-terminated array of its strings, for
 * request_from_environment; the caller frees the array. NULL with errno: EPROTO if the pairs are
 * cut or no pairs, ENOMEM.
 */
const char **proxy_params_read(struct proxy_params *params);

/* The value of a parameter among those of proxy_params_read; NULL if there is none. */
const char *proxy_params_get(const char *const *strings, const char *name);

/* Parameters in place of those that came. */
struct proxy_params_set {
    unsigned count;
    const char *names[PROXY_PARAMS_SET_MAX];  /* borrowed */
    const char *values[PROXY_PARAMS_SET_MAX]; /* borrowed; NULL takes the parameter away */
};

/*
 * Writes BEGIN_REQUEST and the PARAMS records of request `id`, with an empty one at the end.
 * Records end between two pairs wherever a pair fits into one: PHP-FPM reads each by itself.
 * Returns memory of *size bytes and PROXY_PARAMS_ROOM more, to be freed, or NULL if there is none.
 */
uint8_t *proxy_params_write(const struct proxy_params *params, const struct proxy_params_set *set,
                            uint16_t id, uint16_t role, uint8_t flags, size_t *size);

void proxy_params_free(struct proxy_params *params);

#endif
