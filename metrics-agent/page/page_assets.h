/*
 * The page's two static files, as they are in the program.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_ASSETS_H
#define METRICS_AGENT_PAGE_PAGE_ASSETS_H

#include <stddef.h>

enum { PAGE_ASSETS_VERSION_MAX = 17 /* 16 hexadecimal digits and a NUL */ };

struct page_asset {
    const char *name, *type; /* "page.css", its media type */
    const char *bytes;
    size_t len;
};

/* NULL if there is none of that name. */
const struct page_asset *page_assets_find(const char *name);

/* A hash of both files, for ?v= of their URLs and for their ETag. */
void page_assets_version(char out[PAGE_ASSETS_VERSION_MAX]);

#endif
