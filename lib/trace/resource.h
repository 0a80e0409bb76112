/*
 * The OpenTelemetry resource, which names the program: service.name, service.version,
 * service.instance.id, host.name and what OTEL_RESOURCE_ATTRIBUTES adds, rendered once as the JSON
 * that each record needs.
 */
#ifndef LIB_TRACE_RESOURCE_H
#define LIB_TRACE_RESOURCE_H

#include <stddef.h>

enum {
    RESOURCE_JSON_MAX = 8192,
    SCOPE_JSON_MAX = 1024,
};

struct resource {
    char json[RESOURCE_JSON_MAX]; /* {"attributes":[...]}: an OTLP Resource */
    size_t length;
    char members[RESOURCE_JSON_MAX]; /* the same as {"service.name":"...",...}: for log lines */
    size_t members_length;
};

/* The program as it names itself. */
struct resource_service {
    const char *name;
    const char *version;    /* NULL for none */
    const char *schema_url; /* of the conventions that its spans follow; NULL for none */
};

/* The instrumentation scope of spans (OTLP common.proto, InstrumentationScope). */
struct scope {
    char json[SCOPE_JSON_MAX]; /* {"name":"...","version":"..."} and, behind it, ,"schemaUrl":"..."
                                */
    size_t length;
};

/*
 * From the program's own name, the values of OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES (NULL
 * or "" is unset) and the instance's id (a UUID's text; NULL leaves it out). OTEL_SERVICE_NAME wins
 * over service.name in the attributes, and the attributes win over the defaults; keys come out
 * once, in a fixed order, so that two processes of one instance render the same bytes. Returns
 * NULL, or a static text saying why OTEL_RESOURCE_ATTRIBUTES was discarded, whole (OpenTelemetry
 * Resource SDK, "Specifying resource information via an environment variable"); the resource is
 * usable either way.
 */
const char *resource_init(struct resource *resource, const struct resource_service *service,
                          const char *service_name, const char *attributes,
                          const char *instance_id);

/* `version` and `schema_url` may be NULL. What does not fit is left out. */
void scope_init(struct scope *scope, const char *name, const char *version, const char *schema_url);

#endif
