/*
 * Most of a small agent's resident memory is code of the libraries (TLS, Kerberos, ...) that ran
 * once, at the start, and the pages around it that the kernel maps along.
 */
#ifndef METRICS_AGENT_START_PAGES_H
#define METRICS_AGENT_START_PAGES_H

/*
 * Gives back all pages of code and constants that are mapped from files; those that are used again
 * come from the page cache at the next touch. To be called once, when the start is over.
 */
void start_pages_release(void);

#endif
