/*
 * The bytes between web server and script while it runs, both ways and by one poll, with every wait
 * bounded.
 */
#ifndef GATEWAYS_CGI_RELAY_H
#define GATEWAYS_CGI_RELAY_H

struct cgi_request;

/*
 * Runs until the script's answer is complete, or has failed. What happened has been told where the
 * client may have all of the answer.
 */
void cgi_relay_run(struct cgi_request *r);

/* Ends the answer, and writes what is left of it, as long as somebody takes it. */
void cgi_relay_finish(struct cgi_request *r);

#endif
