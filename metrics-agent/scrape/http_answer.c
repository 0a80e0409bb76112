#include "metrics-agent/scrape/http_answer.h"

#include "lib/base/json_writer.h"
#include "lib/base/request_id.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
    JSON_MAX = 1024,
    GZIP_WINDOW = 15 + 16,
    GZIP_MEMORY = 8,
};

const char http_answer_json_type[] = "application/json";

/* RFC 9110, section 12.5.3. */
bool http_answer_accepts_gzip(const char *header)
{
    while (header != NULL && *header != '\0') {
        size_t len;

        header += strspn(header, " \t,");
        len = strcspn(header, ",");
        if (strncasecmp(header, "gzip", 4) == 0 && strcspn(header, " \t;,") == 4) {
            const char *const end = header + len;

            /* Parameter names are in any case of letters (RFC 9110, section 5.6.6). */
            while (header < end && strncasecmp(header, "q=", 2) != 0)
                header++;
            return header == end || strtod(header + 2, NULL) > 0;
        }
        header += len;
    }
    return false;
}

bool http_answer_pack(struct http_answer *answer)
{
    z_stream stream = {.zalloc = NULL};
    unsigned char *packed;
    size_t bound;
    bool done;

    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bound = deflateBound(&stream, answer->length);
    packed = malloc(bound);
    stream.next_in = (unsigned char *)answer->text;
    stream.avail_in = (uInt)answer->length;
    stream.next_out = packed;
    stream.avail_out = (uInt)bound;
    done = packed != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (done) {
        free(answer->text);
        answer->text = (char *)packed;
        answer->length = stream.total_out;
    } else {
        free(packed);
    }
    (void)deflateEnd(&stream);
    return done;
}

bool http_answer_add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

enum MHD_Result http_answer_send(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response, const char *type)
{
    const char *own = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-ID");
    char id[REQUEST_ID_MAX + 1];
    enum MHD_Result result = MHD_NO;

    if (response == NULL)
        return MHD_NO;
    request_id_choose(id, own);
    if (http_answer_add(response, "X-Request-ID", id) &&
        (type == NULL || http_answer_add(response, "Content-Type", type)) &&
        http_answer_add(response, "X-Content-Type-Options", "nosniff") &&
        (status != MHD_HTTP_METHOD_NOT_ALLOWED || http_answer_add(response, "Allow", "GET, HEAD")))
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

struct MHD_Response *http_answer_json(const char *key, const char *value)
{
    char json[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, json, sizeof json);
    json_writer_begin_object(&w);
    json_writer_key_string(&w, key, value);
    json_writer_end_object(&w);
    return w.overflow ? NULL : MHD_create_response_from_buffer(w.len, json, MHD_RESPMEM_MUST_COPY);
}
