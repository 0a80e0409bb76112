#include "fcgi-app/docs_page.h"

#include "fcgi-app/swagger_ui.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define SCRIPT_SHA256 "224hMP8o7xmhI3h5JJ1uUqe385TyOR3ixkfJdqo6JWU="

const char docs_page_script[] =
    "SwaggerUIBundle({url:'openapi.json',dom_id:'#swagger-ui',deepLinking:true});";

/* Swagger UI sets style attributes and has its icons as data: URLs. */
#define POLICY(source)                                                                             \
    "default-src 'none'; script-src " source " 'sha256-" SCRIPT_SHA256 "'; style-src " source      \
    " 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; "                 \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static bool holds(const char *assets, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", assets, name);

    return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

void docs_page_init(struct docs_page *page, const char *assets)
{
    bool local = assets != NULL && holds(assets, SWAGGER_UI_CSS) && holds(assets, SWAGGER_UI_JS);
    const char *base = local ? "docs" : SWAGGER_UI_CDN "/npm/swagger-ui-dist@" SWAGGER_UI_VERSION;
    int n =
        snprintf(page->html, sizeof(page->html),
                 "<!DOCTYPE html>\n"
                 "<html lang=\"en\">\n"
                 "<head>\n"
                 "<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<title>MicroTrace API</title>\n"
                 "<link rel=\"icon\" href=\"data:,\">\n"
                 "<link rel=\"stylesheet\" href=\"%s/" SWAGGER_UI_CSS
                 "\" integrity=\"sha384-" SWAGGER_UI_CSS_SHA384 "\" crossorigin=\"anonymous\">\n"
                 "</head>\n"
                 "<body>\n"
                 "<div id=\"swagger-ui\"></div>\n"
                 "<script src=\"%s/" SWAGGER_UI_JS "\" integrity=\"sha384-" SWAGGER_UI_JS_SHA384
                 "\" crossorigin=\"anonymous\"></script>\n"
                 "<script>%s</script>\n"
                 "</body>\n"
                 "</html>\n",
                 base, base, docs_page_script);

    assert(n > 0 && (size_t)n < sizeof(page->html));
    page->length = (size_t)n;
    page->content_security_policy = local ? POLICY("'self'") : POLICY(SWAGGER_UI_CDN);
}
