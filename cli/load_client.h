/*
 * The connections of `microtrace load`: requests under way at once on one thread, over connections
 * that are kept and used again.
 */
#ifndef CLI_LOAD_CLIENT_H
#define CLI_LOAD_CLIENT_H

#include "cli/load_plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_CLIENT_CONCURRENCY_MAX = 1000,
    LOAD_CLIENT_WAKERS = 2,
    LOAD_CLIENT_CODE_MAX = 128, /* above any code of load_answer */
};

struct load_client;

/* What became of one request. Times are those of clock_monotonic_ns. */
struct load_answer {
    unsigned asked;   /* index into load_plan_cases */
    uint64_t due_ns;  /* as given to load_client_send */
    uint64_t sent_ns; /* when it was handed over */
    uint64_t end_ns;
    long status;      /* 0: there was no answer ... */
    unsigned code;    /* ... for this reason (load_client_reason) */
    bool unreachable; /* ... and nobody is there: no other request would fare better now */
};

/*
 * Loads libcurl, before the other functions are called. Returns 0, or -1 with a sentence in
 * `error`, cut at `size` bytes.
 */
int load_client_prepare(char *error, size_t size);

/*
 * `base` is an http:// or https:// address without query and fragment; the paths of the plan are
 * put behind it. At most `concurrency` requests (1 to LOAD_CLIENT_CONCURRENCY_MAX) are under way at
 * once, each for `timeout_s` at most. Returns NULL with a sentence in *problem.
 */
struct load_client *load_client_open(const char *base, unsigned concurrency, double timeout_s,
                                     const char **problem);

/* Drops what is under way. */
void load_client_close(struct load_client *client);

unsigned load_client_busy(const struct load_client *client);
bool load_client_full(const struct load_client *client);

/* Starts a request; not while it is full. Returns 0, or -1 if memory runs out. */
int load_client_send(struct load_client *client, unsigned asked, uint64_t due_ns);

/*
 * Works on all requests, then waits until something has happened to one of them or one of the
 * descriptors can be read. Returns 0, or -1 if it can't go on.
 */
int load_client_wait(struct load_client *client, const int wakers[LOAD_CLIENT_WAKERS]);

/* Takes one request that has ended. Returns false if there is none. */
bool load_client_take(struct load_client *client, struct load_answer *answer);

const char *load_client_reason(unsigned code);

#endif
