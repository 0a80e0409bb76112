#include "lib/trace/forwarded.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { IPV4_BITS_BEFORE = 96 };

static bool parse_address(struct text text, uint8_t address[16], bool *is_ipv4)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN];

    if (text.at == NULL || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memcpy(address, mapped, sizeof(mapped));
    *is_ipv4 = inet_pton(AF_INET, copy, address + sizeof(mapped)) == 1;
    return *is_ipv4 || inet_pton(AF_INET6, copy, address) == 1;
}

static int parse_network(struct forwarded_network *network, struct text text)
{
    const char *slash = memchr(text.at, '/', text.len);
    const struct text address = {text.at, slash != NULL ? (size_t)(slash - text.at) : text.len};
    unsigned most = 128;
    uint64_t bits = 0;
    bool is_ipv4;

    if (!parse_address(address, network->address, &is_ipv4))
        return -1;
    if (is_ipv4)
        most -= IPV4_BITS_BEFORE;
    if (slash == NULL)
        bits = most;
    else if (text_parse_uint((struct text){slash + 1, text.len - address.len - 1}, &bits) != 0 ||
             bits > most)
        return -1;
    network->bits = (unsigned)bits + (is_ipv4 ? IPV4_BITS_BEFORE : 0);
    return 0;
}

int forwarded_parse_proxies(struct forwarded_proxies *proxies, const char *list)
{
    proxies->count = 0;
    while (list != NULL && *list != '\0') {
        const size_t len = strcspn(list, ",");
        const struct text one = text_trim((struct text){list, len});

        list += len + (list[len] == ',');
        if (one.len == 0)
            continue;
        if (proxies->count == FORWARDED_PROXIES_MAX ||
            parse_network(&proxies->list[proxies->count++], one) != 0)
            return -1;
    }
    return 0;
}

static bool contains(const struct forwarded_network *network, const uint8_t address[16])
{
    const unsigned bytes = network->bits / 8, rest = network->bits % 8;

    return memcmp(network->address, address, bytes) == 0 &&
           (rest == 0 || (network->address[bytes] ^ address[bytes]) >> (8 - rest) == 0);
}

static bool is_trusted(const struct forwarded_proxies *proxies, struct text text)
{
    uint8_t address[16];
    bool is_ipv4;

    if (!parse_address(text, address, &is_ipv4))
        return false;
    for (unsigned i = 0; i < proxies->count; i++) {
        if (contains(&proxies->list[i], address))
            return true;
    }
    return false;
}

/* What one proxy says of the connection that it took. */
struct hop {
    struct text client, host, proto;
};

/* An address, with a port perhaps: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80. */
static void read_node(struct text node, struct text *address, struct text *port)
{
    uint8_t bytes[16];
    bool is_ipv4;

    *address = node;
    *port = (struct text){NULL, 0};
    if (parse_address(node, bytes, &is_ipv4))
        return;
    if (text_split_host_port(node, address, port) != 0 || !parse_address(*address, bytes, &is_ipv4))
        *address = *port = (struct text){NULL, 0};
}

/* The last hop that a trusted proxy tells of and that is not one itself; -1 for none. */
static int find_client(const struct hop *hops, int count, const struct forwarded_proxies *proxies)
{
    int i = count - 1;

    for (; i > 0; i--) {
        struct text address, port;

        read_node(hops[i].client, &address, &port);
        if (!is_trusted(proxies, address))
            break;
    }
    return i;
}

/* The end of a list's element or parameter: `stop`, or a comma, outside of quotes. */
static const char *element_end(const char *at, char stop)
{
    bool quoted = false;

    for (; *at != '\0' && (quoted || (*at != stop && *at != ',')); at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted && *at == '\\' && at[1] != '\0')
            at++;
    }
    return at;
}

static struct text unquoted(struct text text)
{
    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        return (struct text){text.at + 1, text.len - 2};
    return text;
}

static bool is_named(struct text name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.at, word, name.len) == 0;
}

static void take_parameter(struct hop *hop, struct text text)
{
    const char *equals = memchr(text.at, '=', text.len);
    struct text name, value;

    if (equals == NULL)
        return;
    name = text_trim((struct text){text.at, (size_t)(equals - text.at)});
    value =
        unquoted(text_trim((struct text){equals + 1, text.len - (size_t)(equals - text.at) - 1}));
    if (is_named(name, "for"))
        hop->client = value;
    else if (is_named(name, "host"))
        hop->host = value;
    else if (is_named(name, "proto"))
        hop->proto = value;
}

/* Returns the number of hops, 0 where there are too many. */
static int read_forwarded(struct hop hops[FORWARDED_HOPS_MAX], const char *at)
{
    int count = 0;

    while (*at != '\0') {
        if (count == FORWARDED_HOPS_MAX)
            return 0;
        hops[count] = (struct hop){.client = {NULL, 0}};
        do {
            const char *end = element_end(at, ';');

            take_parameter(&hops[count], (struct text){at, (size_t)(end - at)});
            at = *end == ';' ? end + 1 : end;
        } while (*at != '\0' && *at != ',');
        count++;
        at += *at == ',';
    }
    return count;
}

static int read_list(struct hop hops[FORWARDED_HOPS_MAX], const char *at)
{
    int count = 0;

    while (at != NULL && *at != '\0') {
        const size_t len = strcspn(at, ",");

        if (count == FORWARDED_HOPS_MAX)
            return 0;
        hops[count++] = (struct hop){.client = text_trim((struct text){at, len})};
        at += len + (at[len] == ',');
    }
    return count;
}

/* The last element of a list, which the nearest proxy has written. */
static struct text last_of(const char *list)
{
    const char *comma = list != NULL ? strrchr(list, ',') : NULL;

    return text_trim(text_of(comma != NULL ? comma + 1 : list));
}

void forwarded_read(struct forwarded *out, const struct forwarded_proxies *proxies,
                    const char *peer, const struct forwarded_fields *fields)
{
    struct hop hops[FORWARDED_HOPS_MAX], hop = {.client = {NULL, 0}};
    int count, i;

    *out = (struct forwarded){.client = {NULL, 0}};
    if (proxies->count == 0 || !is_trusted(proxies, text_of(peer)))
        return;
    count = fields->forwarded != NULL ? read_forwarded(hops, fields->forwarded)
                                      : read_list(hops, fields->x_for);
    i = find_client(hops, count, proxies);
    if (i >= 0)
        hop = hops[i];
    if (fields->forwarded == NULL) {
        hop.host = last_of(fields->x_host);
        hop.proto = last_of(fields->x_proto);
    }
    read_node(hop.client, &out->client, &out->client_port);
    out->host = hop.host;
    out->https = is_named(hop.proto, "https");
    out->http = is_named(hop.proto, "http");
}
