#include "metrics-agent/page/page_assets.h"

#include <string.h>

static const char css[] = ":root { color-scheme: light dark }\n";
static const char js[] = "'use strict';\n";

const char page_assets_version[] = "0";

int page_assets_find(struct page_asset *asset, const char *path)
{
    if (strcmp(path, "/page.css") == 0)
        *asset = (struct page_asset){"text/css; charset=utf-8", css, sizeof(css) - 1};
    else if (strcmp(path, "/page.js") == 0)
        *asset = (struct page_asset){"text/javascript; charset=utf-8", js, sizeof(js) - 1};
    else
        return -1;
    return 0;
}
