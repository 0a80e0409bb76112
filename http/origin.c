#include "http/origin.h"

void origin_find(struct origin *origin, const struct request *request,
                 const struct forwarded_proxies *proxies)
{
    struct forwarded forwarded = {.client = {NULL, 0}};
    struct text host = text_of(request->host);

    if (proxies->count > 0)
        forwarded_read(&forwarded, proxies, request->client_address, &request->forwarded);
    if (forwarded.host.at != NULL)
        host = forwarded.host;
    if (host.at == NULL || text_split_host_port(host, &origin->server, &origin->server_port) != 0)
        origin->server = origin->server_port = (struct text){NULL, 0};
    origin->client = text_of(request->client_address);
    origin->client_port = text_of(request->client_port);
    if (forwarded.client.at != NULL) {
        origin->client = forwarded.client;
        origin->client_port = forwarded.client_port;
    }
    origin->scheme = forwarded.https ? "https" : forwarded.http ? "http" : request_scheme(request);
}
