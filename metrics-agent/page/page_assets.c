#include "metrics-agent/page/page_assets.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The assembler copies the files in; the Makefile has the object depend on them. */
__asm__(".pushsection .rodata\n"
        "page_css_begin:\n"
        ".incbin \"metrics-agent/page/page.css\"\n"
        "page_css_end:\n"
        "page_js_begin:\n"
        ".incbin \"metrics-agent/page/page.js\"\n"
        "page_js_end:\n"
        ".popsection\n");

/* Hidden: by way of the global offset table all would have one address on arm64, that of the
 * section. */
extern const char page_css_begin[] __attribute__((visibility("hidden"))),
    page_css_end[] __attribute__((visibility("hidden"))),
    page_js_begin[] __attribute__((visibility("hidden"))),
    page_js_end[] __attribute__((visibility("hidden")));

static const struct {
    const char *name, *type, *begin, *end;
} assets[] = {
    {"page.css", "text/css; charset=utf-8", page_css_begin, page_css_end},
    {"page.js", "text/javascript; charset=utf-8", page_js_begin, page_js_end},
};

enum { COUNT = sizeof(assets) / sizeof(assets[0]) };

int page_assets_find(struct page_asset *asset, const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(assets[i].name, name) != 0)
            continue;
        *asset = (struct page_asset){.type = assets[i].type,
                                     .bytes = assets[i].begin,
                                     .len = (size_t)(assets[i].end - assets[i].begin)};
        return 0;
    }
    return -1;
}

/* FNV-1a: two versions of our own files, and nobody who wants them to collide. */
void page_assets_version(char out[PAGE_ASSETS_VERSION_MAX])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < COUNT; i++) {
        for (const char *at = assets[i].begin; at < assets[i].end; at++)
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    }
    (void)snprintf(out, PAGE_ASSETS_VERSION_MAX, "%016llx", (unsigned long long)hash);
}
