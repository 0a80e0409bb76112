/*
 * The OpenAPI 3.1 document of this program's routes: openapi.json, which the build puts into the
 * program. tests/unit/test_openapi.c compares it with the route table and with the table of errors.
 */
#ifndef FCGI_APP_OPENAPI_H
#define FCGI_APP_OPENAPI_H

#include "lib/base/json_writer.h"

/* Writes the document. */
void openapi_write(struct json_writer *w);

#endif
