/*
 * Any bytes as what a client or a proxy says of a request: Host, Forwarded, X-Forwarded-For,
 * X-Request-Start, a query. Nothing is read beyond them, results lie within them, and no secret
 * stays in a query.
 */
#include "lib/base/request_start.h"
#include "lib/trace/forwarded.h"
#include "lib/trace/redact.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("[2001:db8::1]:8443"),
    FUZZ_SEED("for=\"[2001:db8::7]:4711\";proto=https;host=\"a\\\",b\", for=10.0.0.1"),
    FUZZ_SEED("6.6.6.6, 203.0.113.7:80 ,10.1.2.3"),
    FUZZ_SEED("t=1512379167.574"),
    FUZZ_SEED("color=blue&sig=abc&s%69g=d&token"),
    {NULL, 0},
};

static void within(struct text part, const char *whole, size_t len)
{
    assert(part.at == NULL || (part.at >= whole && part.at + part.len <= whole + len));
}

static void try_forwarded(const char *text, size_t len)
{
    const struct forwarded_fields fields[] = {{.forwarded = text}, {.x_for = text, .x_host = text}};
    struct forwarded_proxies proxies;
    struct forwarded found;

    assert(forwarded_parse_proxies(&proxies, "10.0.0.0/8,192.0.2.1") == 0);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        forwarded_read(&found, &proxies, "192.0.2.1", &fields[i]);
        within(found.client, text, len);
        within(found.client_port, text, len);
        within(found.host, text, len);
    }
    (void)forwarded_parse_proxies(&proxies, text);
}

static void try_query(struct text query)
{
    static char out[REDACT_QUERY_MAX], again[REDACT_QUERY_MAX];
    const struct text shown = redact_query(out, query, NULL);

    assert(shown.at == query.at || shown.len <= sizeof(out));
    /* What was hidden once stays as it is, but for what the limit has cut. */
    if (shown.at == out && shown.len < sizeof(out)) {
        const struct text twice = redact_query(again, shown, NULL);

        assert(twice.len == shown.len && memcmp(twice.at, shown.at, shown.len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    struct text host, port;
    uint64_t ns;
    size_t len;

    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    len = strlen(text);
    if (text_split_host_port((struct text){text, len}, &host, &port) == 0) {
        within(host, text, len);
        within(port, text, len);
    }
    try_forwarded(text, len);
    try_query((struct text){text, len});
    (void)request_start_parse((struct text){text, len}, &ns);
    free(text);
    return 0;
}
