#include "lib/base/trust_file.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* Debian, Arch, Alpine; Fedora, Red Hat; older ones of these; openSUSE; Alpine without the package.
 */
static const char *const known[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

const char *trust_file(const char *built_in)
{
    const char *const named = getenv("SSL_CERT_FILE");

    if (named != NULL && named[0] != '\0')
        return named;
    if (built_in != NULL && access(built_in, R_OK) == 0)
        return NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (access(known[i], R_OK) == 0)
            return known[i];
    }
    return NULL;
}
