/*
 * The page /docs: Swagger UI over /openapi.json, made once at start.
 */
#ifndef FCGI_APP_DOCS_PAGE_H
#define FCGI_APP_DOCS_PAGE_H

#include <stddef.h>

enum {
    DOCS_PAGE_MAX = 2048,
};

struct docs_page {
    char html[DOCS_PAGE_MAX];
    size_t length;
    const char *content_security_policy; /* the header field that goes with it */
};

/* The script in the page: its SHA-256 stands in the policy. */
extern const char docs_page_script[];

/*
 * Makes the page. Swagger UI's files are taken from /docs/ on the same server where `assets`, the
 * folder that is served there, holds them; else (NULL too) from the public CDN.
 */
void docs_page_init(struct docs_page *page, const char *assets);

#endif
