#include "metrics-agent/export/probe.h"

#include "lib/base/clock.h"
#include "lib/base/printable.h"
#include "lib/base/shown_url.h"
#include "lib/spool/signal.h"
#include "metrics-agent/export/transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    TIMEOUT_MS = 10000,
    POLL_MS = 1000,
    LINE_MAX_BYTES = 4096,
};

static const char *const empty_json[SPOOL_OWN_SIGNALS] = {
    [SPOOL_TRACES] = "{\"resourceSpans\":[]}", [SPOOL_LOGS] = "{\"resourceLogs\":[]}"};

/* What the endpoint answers is somebody else's text. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    printable_write(stdout, line, strlen(line));
    (void)fputc('\n', stdout);
}

/* Returns NULL where nothing is sent, or it can't be. */
static struct transfer *start(struct agent_settings *settings, CURLM *multi, int signal)
{
    struct agent_export *const export = &settings->export[signal];
    /* A message without fields is no bytes of protobuf. */
    const char *const body = export->protocol == AGENT_PROTOCOL_JSON ? empty_json[signal] : "";
    struct transfer *transfer;

    if (export->url[0] == '\0')
        return NULL;
    if (export->timeout_ms > TIMEOUT_MS)
        export->timeout_ms = TIMEOUT_MS;
    transfer = transfer_open(multi, export);
    if (transfer != NULL && transfer_send(transfer, body, strlen(body)) == 0)
        return transfer;
    transfer_close(transfer);
    return NULL;
}

/* Returns -1 if the endpoint does not take what we send. */
static int tell(const struct agent_settings *settings, int signal,
                const struct transfer_outcome *outcome)
{
    char shown[AGENT_SETTINGS_URL_MAX];
    const bool ended = outcome != NULL && outcome->code[0] != '\0';
    const bool taken = ended && outcome->verdict == RETRY_DELIVERED;

    shown_url(shown, sizeof(shown), settings->export[signal].url);
    say("%s: %s: %.1024s: %s", taken ? "ok" : "wrong", spool_signal_names[signal], shown,
        ended ? outcome->detail : "no request can be made");
    return taken ? 0 : -1;
}

/* Takes the transfers that have ended. Returns how many. */
static int take(CURLM *multi, struct transfer *transfers[SPOOL_OWN_SIGNALS],
                struct transfer_outcome outcomes[SPOOL_OWN_SIGNALS])
{
    struct CURLMsg *message;
    int left, taken = 0;

    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        const CURL *const easy = message->easy_handle;
        const CURLcode result = message->data.result;

        for (int i = 0; message->msg == CURLMSG_DONE && i < SPOOL_OWN_SIGNALS; i++) {
            if (transfers[i] == NULL || !transfer_owns(transfers[i], easy))
                continue;
            transfer_finish(transfers[i], result, &outcomes[i]);
            taken++;
            break;
        }
    }
    return taken;
}

int probe_run(struct agent_settings *settings, CURLM *multi)
{
    const uint64_t until_ns = clock_monotonic_ns() + clock_ms_to_ns(2 * TIMEOUT_MS);
    struct transfer *transfers[SPOOL_OWN_SIGNALS];
    struct transfer_outcome outcomes[SPOOL_OWN_SIGNALS];
    int busy = 0, left, result = 0;

    memset(outcomes, 0, sizeof(outcomes));
    for (int i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        transfers[i] = start(settings, multi, i);
        busy += transfers[i] != NULL;
    }
    while (busy > 0 && clock_monotonic_ns() < until_ns) {
        (void)curl_multi_perform(multi, &left);
        busy -= take(multi, transfers, outcomes);
        if (busy > 0)
            (void)curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    for (int i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        char why[CONFIG_ERROR_MAX];

        if (settings->export[i].url[0] != '\0') {
            if (tell(settings, i, transfers[i] != NULL ? &outcomes[i] : NULL) != 0)
                result = -1;
        } else {
            (void)agent_settings_nowhere(settings, (enum spool_signal)i, why);
            say("note: %s: nothing is sent, the spool keeps the newest: %s", spool_signal_names[i],
                why);
        }
        transfer_close(transfers[i]);
    }
    return result;
}
