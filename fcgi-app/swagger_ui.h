/*
 * The pinned release of Swagger UI (npm package swagger-ui-dist). The fetch step of the build reads
 * these lines too. The hashes are SHA-384 of the package's files, in base64, as Subresource
 * Integrity wants them; they hold for the local copy and for the CDN.
 */
#ifndef FCGI_APP_SWAGGER_UI_H
#define FCGI_APP_SWAGGER_UI_H

#define SWAGGER_UI_VERSION    "5.35.0"
#define SWAGGER_UI_CSS        "swagger-ui.css"
#define SWAGGER_UI_CSS_SHA384 "WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"
#define SWAGGER_UI_JS         "swagger-ui-bundle.js"
#define SWAGGER_UI_JS_SHA384  "gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
#define SWAGGER_UI_CDN        "https://cdn.jsdelivr.net"

#endif
