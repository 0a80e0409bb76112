#include "metrics-agent/export/transfer_headers.h"

#include "lib/base/message.h"

static int append(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);

    if (longer == NULL)
        return -1;
    *list = longer;
    return 0;
}

/* Adds what the settings have; what can't be used was said, and is left out. */
static int append_settings(struct curl_slist **list, const char *text)
{
    char header[AGENT_SETTINGS_HEADER_MAX];
    int found, count = 0;

    while (text != NULL && (found = agent_settings_header(&text, header)) != 0) {
        if (found > 0 && count++ < AGENT_SETTINGS_HEADERS_MAX && append(list, header) != 0)
            return -1;
    }
    return 0;
}

/* Replaces the list. Returns 0, or -1 without memory: then it is as it was. */
static int make(struct transfer_headers *headers, const struct agent_export *export)
{
    struct curl_slist *list = NULL;

    if (append(&list, export->protocol == AGENT_PROTOCOL_PROTOBUF
                          ? "Content-Type: application/x-protobuf"
                          : "Content-Type: application/json") != 0 ||
        append(&list, "Expect:") != 0 ||
        (export->compression == AGENT_COMPRESSION_GZIP &&
         append(&list, "Content-Encoding: gzip") != 0) ||
        append_settings(&list,
                        export->headers_file != NULL ? headers->file.text : export->headers) != 0) {
        curl_slist_free_all(list);
        return -1;
    }
    curl_slist_free_all(headers->list);
    headers->list = list;
    return 0;
}

int transfer_headers_open(struct transfer_headers *headers, const struct agent_export *export)
{
    headers->list = NULL;
    headers->file =
        (struct header_file){.path = export->headers_file, .variable = export->headers_variable};
    /* What is wrong with it was said when the settings were read. */
    if (export->headers_file != NULL)
        (void)header_file_look(&headers->file, NULL);
    return make(headers, export);
}

bool transfer_headers_refresh(struct transfer_headers *headers, const struct agent_export *export)
{
    if (export->headers_file == NULL || !header_file_look(&headers->file, message_say))
        return false;
    agent_settings_check_headers(headers->file.text, headers->file.variable, message_say);
    if (make(headers, export) == 0)
        return true;
    headers->file.looked = false; /* to be read again */
    return false;
}

void transfer_headers_close(struct transfer_headers *headers)
{
    curl_slist_free_all(headers->list);
    headers->list = NULL;
}
