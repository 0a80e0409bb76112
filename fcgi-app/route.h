/*
 * The routes: one const table that the dispatch, the answer to a wrong method, the metric labels
 * and the test of the OpenAPI document all read.
 */
#ifndef FCGI_APP_ROUTE_H
#define FCGI_APP_ROUTE_H

#include "http/method.h"

#include <stdbool.h>

struct exchange;

enum route_id {
    ROUTE_ANALYZE,
    ROUTE_HEALTHZ,
    ROUTE_READYZ,
    ROUTE_METRICS,
    ROUTE_DOCS,
    ROUTE_OPENAPI,
    ROUTE_OTHER, /* every path that is none of them */
    ROUTE_COUNT,
};

struct route {
    const char *path;   /* also the label `path`; "_OTHER" for ROUTE_OTHER */
    enum method method; /* the one that is allowed; GET allows HEAD too */
    bool traced;        /* makes spans */
    void (*handler)(struct exchange *exchange);
};

extern const struct route route_table[ROUTE_COUNT];

/* The row for `path` (exact match); ROUTE_OTHER's row where there is none. */
const struct route *route_find(const char *path);

/* Whether `path` has a row of its own. */
bool route_is(const char *path);

/* Whether the route answers `method`: its own, HEAD where that is GET, and any on ROUTE_OTHER. */
bool route_allows(const struct route *route, enum method method);

/* What stands in Allow: "POST" or "GET, HEAD". */
const char *route_allow(const struct route *route);

/* What spans call it: its path, NULL for ROUTE_OTHER. */
const char *route_name(const struct route *route);

/* The index of a row of the table. */
enum route_id route_id(const struct route *route);

#endif
