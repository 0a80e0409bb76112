#include "metrics-agent/page/page_assets.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char css[] = ":root { color-scheme: light dark }\n";
static const char js[] = "'use strict';\n";

static const struct page_asset assets[] = {
    {"page.css", "text/css; charset=utf-8", css, sizeof(css) - 1},
    {"page.js", "text/javascript; charset=utf-8", js, sizeof(js) - 1},
};

enum { COUNT = sizeof(assets) / sizeof(assets[0]) };

const struct page_asset *page_assets_find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(assets[i].name, name) == 0)
            return &assets[i];
    }
    return NULL;
}

/* FNV-1a: two versions of our own files, and nobody who wants them to collide. */
void page_assets_version(char out[PAGE_ASSETS_VERSION_MAX])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < assets[i].len; k++)
            hash = (hash ^ (unsigned char)assets[i].bytes[k]) * UINT64_C(0x100000001b3);
    }
    (void)snprintf(out, PAGE_ASSETS_VERSION_MAX, "%016llx", (unsigned long long)hash);
}
