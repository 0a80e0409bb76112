#include "fcgi-app/reply.h"

#include <assert.h>
#include <string.h>

struct head {
    char *out;
    size_t length;
};

static void put_n(struct head *head, const char *text, size_t length)
{
    /* Every value is our own or bounded (request ids), so the header always fits. */
    assert(length <= REPLY_HEAD_MAX - head->length);
    memcpy(head->out + head->length, text, length);
    head->length += length;
}

static void put(struct head *head, const char *text)
{
    put_n(head, text, strlen(text));
}

static void put_field(struct head *head, const char *name, const char *value)
{
    if (value == NULL)
        return;
    put(head, name);
    put_n(head, ": ", 2);
    put(head, value);
    put_n(head, "\r\n", 2);
}

static void put_size(struct head *head, const char *name, size_t value)
{
    char digits[24];
    char *start = digits + sizeof(digits) - 1;

    *start = '\0';
    do {
        *--start = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put_field(head, name, start);
}

void reply_init(struct reply *reply, char *buffer, size_t capacity)
{
    reply->status = http_status_find(200);
    reply->content_type = "application/json";
    reply->request_id = NULL;
    reply->trace = NULL;
    reply->allow = NULL;
    reply->content_security_policy = NULL;
    reply->retry_after_s = 0;
    reply->head_only = false;
    json_writer_init(&reply->body, buffer, capacity);
}

size_t reply_body_length(const struct reply *reply)
{
    return reply->head_only ? 0 : reply->body.len;
}

size_t reply_write_head(const struct reply *reply, char out[REPLY_HEAD_MAX])
{
    struct head head = {.out = out};
    char trace[TRACE_CONTEXT_PARENT_SIZE];

    put(&head, "Status: ");
    put(&head, reply->status->text);
    put(&head, " ");
    put(&head, reply->status->reason);
    put(&head, "\r\n");
    put_field(&head, "Content-Type", reply->content_type);
    put(&head, "X-Content-Type-Options: nosniff\r\n");
    put_field(&head, "X-Request-ID", reply->request_id);
    if (reply->trace != NULL) {
        trace_context_format(trace, reply->trace);
        put_field(&head, "traceresponse", trace);
    }
    put_field(&head, "Allow", reply->allow);
    put_field(&head, "Content-Security-Policy", reply->content_security_policy);
    if (reply->retry_after_s > 0)
        put_size(&head, "Retry-After", reply->retry_after_s);
    put_size(&head, "Content-Length", reply->body.len);
    put(&head, "\r\n");
    return head.length;
}
