/*
 * What each route does: fills exchange->reply, and on failure exchange->error.
 */
#ifndef FCGI_APP_HANDLERS_H
#define FCGI_APP_HANDLERS_H

struct exchange;

void handlers_analyze(struct exchange *exchange);
void handlers_healthz(struct exchange *exchange);

/* Ready when metrics file and spool can be written; the one handler that touches the disk. */
void handlers_readyz(struct exchange *exchange);

/* The agent serves /metrics; the request comes here only if the agent can't be reached. */
void handlers_metrics(struct exchange *exchange);

void handlers_docs(struct exchange *exchange);
void handlers_openapi(struct exchange *exchange);

void handlers_not_found(struct exchange *exchange);

/* A known path with another method: 405 and Allow. */
void handlers_method_not_allowed(struct exchange *exchange);

/* A failure of the web server's own, which it has its error handler word. */
void handlers_web_server_error(struct exchange *exchange);

#endif
