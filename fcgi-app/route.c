#include "fcgi-app/route.h"

#include "fcgi-app/handlers.h"

#include <string.h>

const struct route route_table[ROUTE_COUNT] = {
    [ROUTE_ANALYZE] = {"/analyze", METHOD_POST, true, handlers_analyze},
    [ROUTE_HEALTHZ] = {"/healthz", METHOD_GET, false, handlers_healthz},
    [ROUTE_READYZ] = {"/readyz", METHOD_GET, false, handlers_readyz},
    [ROUTE_METRICS] = {"/metrics", METHOD_GET, false, handlers_metrics},
    [ROUTE_DOCS] = {"/docs", METHOD_GET, true, handlers_docs},
    [ROUTE_OPENAPI] = {"/openapi.json", METHOD_GET, true, handlers_openapi},
    [ROUTE_OTHER] = {"_OTHER", METHOD_OTHER, true, handlers_not_found},
};

const struct route *route_find(const char *path)
{
    for (enum route_id id = 0; id < ROUTE_OTHER; id++) {
        if (strcmp(path, route_table[id].path) == 0)
            return &route_table[id];
    }
    return &route_table[ROUTE_OTHER];
}

bool route_is(const char *path)
{
    return route_id(route_find(path)) != ROUTE_OTHER;
}

bool route_allows(const struct route *route, enum method method)
{
    return route_id(route) == ROUTE_OTHER || method == route->method ||
           (method == METHOD_HEAD && route->method == METHOD_GET);
}

const char *route_allow(const struct route *route)
{
    return route->method == METHOD_GET ? "GET, HEAD" : method_names[route->method];
}

const char *route_name(const struct route *route)
{
    return route_id(route) == ROUTE_OTHER ? NULL : route->path;
}

enum route_id route_id(const struct route *route)
{
    return (enum route_id)(route - route_table);
}
