/*
 * What spans say of the downstream service, taken from DOWNSTREAM_URL by libcurl, which also
 * connects by it.
 */
#ifndef FCGI_APP_DOWNSTREAM_TARGET_H
#define FCGI_APP_DOWNSTREAM_TARGET_H

#include "fcgi-app/downstream_settings.h"

#include <stdint.h>

struct libcurl;

enum { DOWNSTREAM_HOST_MAX = 255 };

struct downstream_target {
    char host[DOWNSTREAM_HOST_MAX + 1]; /* server.address; IPv6 without brackets */
    uint16_t port;
    char shown_url[DOWNSTREAM_URL_MAX + 1]; /* url.full: without user name, password, secrets */
};

/* Returns 0, or -1 if settings->url is not one of http or https with a host and all parts fit. */
int downstream_target_read(struct downstream_target *target, const struct libcurl *curl,
                           const struct downstream_settings *settings);

#endif
