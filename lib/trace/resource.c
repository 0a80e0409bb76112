#include "lib/trace/resource.h"

#include "lib/base/json_writer.h"
#include "lib/base/text.h"
#include "lib/trace/attribute.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum {
    PAIRS_MAX = 64,
    TEXT_MAX = 4096, /* bytes of OTEL_RESOURCE_ATTRIBUTES after decoding */
    HOST_MAX = 256,
    NAME_MAX_BYTES = 255,
};

/* The attributes in the order they are written: the defaults, then those of the environment. */
struct pairs {
    struct attribute list[PAIRS_MAX];
    size_t count;
    char text[TEXT_MAX]; /* keys and values of the environment, each ended by NUL */
    size_t used;
};

static int pairs_set(struct pairs *pairs, const char *key, const char *value)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->list[i].key, key) == 0) {
            pairs->list[i] = attribute_string(key, value);
            return 0;
        }
    }
    if (pairs->count == PAIRS_MAX)
        return -1;
    pairs->list[pairs->count++] = attribute_string(key, value);
    return 0;
}

/* Copies text with %XX decoded (W3C Baggage, section 3.3.1.3). NULL if it can't be decoded. */
static const char *decode(struct pairs *pairs, const char *text, size_t len)
{
    char *const start = pairs->text + pairs->used;

    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len >= sizeof(pairs->text) - pairs->used)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '%') {
            const int byte = i + 2 < len ? text_hex_byte(text + i + 1) : -1;

            if (byte <= 0)
                return NULL;
            c = (char)byte;
            i += 2;
        }
        pairs->text[pairs->used++] = c;
    }
    pairs->text[pairs->used++] = '\0';
    return start;
}

static int parse_attributes(struct pairs *pairs, const char *text)
{
    while (*text != '\0') {
        const size_t len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len);
        const char *key, *value;

        if (equals == NULL)
            return -1;
        key = decode(pairs, text, (size_t)(equals - text));
        value = decode(pairs, equals + 1, len - (size_t)(equals - text) - 1);
        if (key == NULL || key[0] == '\0' || value == NULL || pairs_set(pairs, key, value) != 0)
            return -1;
        text += len;
        if (*text == ',')
            text++;
    }
    return 0;
}

static int render(struct resource *resource, const struct pairs *pairs)
{
    struct json_writer w, members;

    json_writer_init(&w, resource->json, sizeof(resource->json));
    json_writer_init(&members, resource->members, sizeof(resource->members));
    json_writer_begin_object(&w);
    json_writer_begin_object(&members);
    json_writer_key(&w, "attributes");
    json_writer_begin_array(&w);
    for (size_t i = 0; i < pairs->count; i++) {
        attribute_write_otlp(&w, &pairs->list[i]);
        attribute_write_member(&members, &pairs->list[i]);
    }
    json_writer_end_array(&w);
    json_writer_end_object(&w);
    json_writer_end_object(&members);
    resource->length = w.len;
    resource->members_length = members.len;
    return w.overflow || members.overflow ? -1 : 0;
}

/* At most NAME_MAX_BYTES of what a program calls itself, so that the defaults always fit. */
static void set_cut(struct pairs *pairs, const char *key, const char *value)
{
    if (pairs_set(pairs, key, value) == 0)
        pairs->list[pairs->count - 1].length = strnlen(value, NAME_MAX_BYTES);
}

static void set_defaults(struct pairs *pairs, const struct resource_service *service,
                         const char *instance_id, const char *host)
{
    pairs->count = pairs->used = 0;
    set_cut(pairs, "service.name", service->name);
    if (service->version != NULL)
        set_cut(pairs, "service.version", service->version);
    if (instance_id != NULL)
        (void)pairs_set(pairs, "service.instance.id", instance_id);
    (void)pairs_set(pairs, "host.name", host);
}

void scope_init(struct scope *scope, const char *name, const char *version, const char *schema_url)
{
    struct json_writer w;

    json_writer_init(&w, scope->json, sizeof(scope->json));
    json_writer_begin_object(&w);
    json_writer_key(&w, "name");
    json_writer_string(&w, name);
    if (version != NULL) {
        json_writer_key(&w, "version");
        json_writer_string(&w, version);
    }
    json_writer_end_object(&w);
    if (schema_url != NULL) {
        json_writer_key(&w, "schemaUrl");
        json_writer_string(&w, schema_url);
    }
    if (w.overflow) {
        json_writer_init(&w, scope->json, sizeof(scope->json));
        json_writer_begin_object(&w);
        json_writer_end_object(&w);
    }
    scope->length = w.len;
}

const char *resource_init(struct resource *resource, const struct resource_service *service,
                          const char *service_name, const char *attributes, const char *instance_id)
{
    const char *problem = NULL;
    char host[HOST_MAX] = "";
    struct pairs pairs;

    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        memcpy(host, "localhost", sizeof("localhost"));
    for (;;) {
        set_defaults(&pairs, service, instance_id, host);
        if (problem == NULL && attributes != NULL && parse_attributes(&pairs, attributes) != 0) {
            problem =
                "OTEL_RESOURCE_ATTRIBUTES is not a list of KEY=VALUE with percent-encoding, or "
                "is too long: all of it is ignored";
            continue;
        }
        if (service_name != NULL && service_name[0] != '\0')
            (void)pairs_set(&pairs, "service.name", service_name);
        if (render(resource, &pairs) == 0)
            return problem;
        if (problem != NULL) {
            /* Only an absurdly long OTEL_SERVICE_NAME gets here. */
            service_name = NULL;
            continue;
        }
        problem = "OTEL_RESOURCE_ATTRIBUTES is too long, or OTEL_SERVICE_NAME: ignored";
    }
}
