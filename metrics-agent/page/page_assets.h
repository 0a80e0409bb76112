/*
 * The page's two static files, as they are in the program.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_ASSETS_H
#define METRICS_AGENT_PAGE_PAGE_ASSETS_H

#include <stddef.h>

enum { PAGE_ASSETS_VERSION_MAX = 17 /* 16 hexadecimal digits and a NUL */ };

struct page_asset {
    const char *type;  /* its media type */
    const char *bytes; /* static, without a NUL */
    size_t len;
};

/* Finds "page.css" or "page.js". Returns 0, or -1 if there is none of that name. */
int page_assets_find(struct page_asset *asset, const char *name);

/* A hash of both files, for ?v= of their URLs and for their ETag. */
void page_assets_version(char out[PAGE_ASSETS_VERSION_MAX]);

#endif
