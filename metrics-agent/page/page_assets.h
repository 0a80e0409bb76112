/*
 * The page's stylesheet and script, which are a part of the program.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_ASSETS_H
#define METRICS_AGENT_PAGE_PAGE_ASSETS_H

#include <stddef.h>

struct page_asset {
    const char *type; /* for Content-Type */
    const char *text; /* not NUL-terminated, static */
    size_t length;
};

/* Finds "/page.css" or "/page.js". Returns 0, or -1 if the path is another one. */
int page_assets_find(struct page_asset *asset, const char *path);

/* A hash of both, for their URLs: /page.css?v=HASH may be cached for ever. */
extern const char page_assets_version[];

#endif
