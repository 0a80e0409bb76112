/*
 * The agent's own voice: one short line on stderr, "metrics-agent: ...". Said once for a change of
 * state, never once a try.
 */
#ifndef METRICS_AGENT_MESSAGE_H
#define METRICS_AGENT_MESSAGE_H

void message_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
