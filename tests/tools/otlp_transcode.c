/*
 * Requests as the agent transcodes them for http/protobuf, for tests against other readers:
 *
 *     otlp_transcode
 *
 * Each line of stdin is a signal (traces, logs or metrics), a blank, and the request as JSON. Each
 * line of stdout is "ok " and the message in hexadecimal, or "refused MEMBER: WHY". Exit 0 at the
 * end of stdin, 1 at a line that is anything else.
 */
#include "metrics-agent/export/otlp_protobuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct otlp_message *request_of(struct text signal)
{
    return text_is(signal, "traces")    ? otlp_schema_request(SPOOL_TRACES)
           : text_is(signal, "logs")    ? otlp_schema_request(SPOOL_LOGS)
           : text_is(signal, "metrics") ? otlp_schema_request(SPOOL_METRICS)
                                        : NULL;
}

static int transcode(struct text line)
{
    const char *const blank = memchr(line.at, ' ', line.len);
    const size_t signal_len = blank != NULL ? (size_t)(blank - line.at) : line.len;
    const struct otlp_message *const request = request_of((struct text){line.at, signal_len});
    const size_t cap = line.len * OTLP_PROTOBUF_GROWTH;
    struct otlp_fault fault;
    unsigned char *bytes;
    struct text json;
    size_t len;

    if (blank == NULL || request == NULL)
        return -1;
    json = (struct text){blank + 1, line.len - signal_len - 1};
    bytes = malloc(cap);
    if (bytes == NULL)
        return -1;
    if (otlp_protobuf_encode(bytes, cap, &len, request, json, &fault) == 0) {
        (void)fputs("ok ", stdout);
        for (size_t i = 0; i < len; i++)
            (void)printf("%02x", bytes[i]);
        (void)putchar('\n');
    } else {
        (void)printf("refused %s: %s\n", fault.member, fault.what);
    }
    free(bytes);
    return 0;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int result = 0;

    while (result == 0 && (len = getline(&line, &room, stdin)) > 0) {
        if (line[len - 1] == '\n')
            len--;
        result = transcode((struct text){line, (size_t)len});
    }
    free(line);
    return result == 0 ? 0 : 1;
}
