#include "metrics-agent/page/page_assets.h"

#include <string.h>

/* The assembler copies the files in; the Makefile has the object depend on them, and hashes them.
 */
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

#ifndef PAGE_ASSETS_VERSION
#    define PAGE_ASSETS_VERSION "unbuilt" /* static analysis compiles without the hash */
#endif

const char page_assets_version[] = PAGE_ASSETS_VERSION;

int page_assets_find(struct page_asset *asset, const char *path)
{
    if (strcmp(path, "/page.css") == 0)
        *asset = (struct page_asset){"text/css; charset=utf-8", page_css_begin,
                                     (size_t)(page_css_end - page_css_begin)};
    else if (strcmp(path, "/page.js") == 0)
        *asset = (struct page_asset){"text/javascript; charset=utf-8", page_js_begin,
                                     (size_t)(page_js_end - page_js_begin)};
    else
        return -1;
    return 0;
}
