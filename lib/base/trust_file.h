/*
 * Where a system keeps the certificates that it trusts. A libcurl looks where the distribution that
 * built it has them; carried to another one (the tarball), it has to be told. Pure but for a look
 * at the environment and the file system.
 */
#ifndef LIB_BASE_TRUST_FILE_H
#define LIB_BASE_TRUST_FILE_H

/*
 * The PEM file to trust where no setting names one: that of SSL_CERT_FILE, as OpenSSL and curl take
 * it; else NULL if `built_in`, the file that the TLS library looks at by itself (NULL for none), is
 * there; else that of the distribution, or NULL if none is known. Lives as long as the environment.
 */
const char *trust_file(const char *built_in);

#endif
