/*
 * One request without records to the endpoint of each of our own signals, by the exporter's own
 * transfer, for `metrics-agent --probe` and `microtrace doctor`. OTLP lets a server answer an empty
 * request with success (OTLP specification, "OTLP/HTTP Response"), so nothing comes to be seen
 * there.
 */
#ifndef METRICS_AGENT_EXPORT_PROBE_H
#define METRICS_AGENT_EXPORT_PROBE_H

#include "metrics-agent/agent_settings.h"

#include <curl/curl.h>

/*
 * Prints a line on stdout for each signal: "ok: SIGNAL: URL: ANSWER", "wrong: ..." with what to do,
 * or "note: SIGNAL: ..." where nothing is sent. Waits for an answer as long as the settings say, 10
 * seconds at most. Returns 0, or -1 if one is wrong. Changes the settings' timeouts.
 */
int probe_run(struct agent_settings *settings, CURLM *multi);

#endif
