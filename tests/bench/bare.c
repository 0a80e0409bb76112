/*
 * What the benchmark compares with: POST /analyze answered the way a plain program on libfcgi and
 * jansson does it, with the same checks of a and b and the same answer, and without any telemetry:
 * no request id, span, log line or metric. With NO_LINGER it spares the wait that libfcgi makes
 * before each close, as analyze does; that is not part of telemetry's cost, so it is shown apart.
 */
#include <fcgiapp.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 65536,
    NUMBER_SIZE = 32,
};

/* Of a FastCGI request, or else of a CGI process. */
static const char *parameter(const FCGX_Request *request, const char *name)
{
    return request->envp != NULL ? FCGX_GetParam(name, request->envp) : getenv(name);
}

static void reply(FCGX_Request *request, int status, const char *reason, const char *body)
{
    char text[512];
    int length = snprintf(text, sizeof text,
                          "Status: %d %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          status, reason, strlen(body), body);
    if (request->out != NULL)
        FCGX_PutStr(text, length, request->out);
    else
        fwrite(text, 1, (size_t)length, stdout);
}

static bool content_type_is_json(const char *type)
{
    return type == NULL || *type == '\0' || strncasecmp(type, "application/json", 16) == 0;
}

/* Returns the body's length, or -1 if it is too long or cut off. */
static int read_body(FCGX_Request *request, char body[BODY_MAX])
{
    const char *text = parameter(request, "CONTENT_LENGTH");
    long length = text != NULL ? strtol(text, NULL, 10) : 0;
    if (length < 0 || length > BODY_MAX)
        return -1;
    if (request->in != NULL)
        return FCGX_GetStr(body, (int)length, request->in) == length ? (int)length : -1;
    return fread(body, 1, (size_t)length, stdin) == (size_t)length ? (int)length : -1;
}

static bool number(const json_t *root, const char *key, double *value)
{
    const json_t *member = json_object_get(root, key);
    if (!json_is_number(member))
        return false;
    *value = json_number_value(member);
    return isfinite(*value);
}

/* The shortest text that reads back as the same double, never without a fraction or exponent. */
static void format(char out[NUMBER_SIZE], double value)
{
    int precision = 15;
    do
        snprintf(out, NUMBER_SIZE, "%.*g", precision, value);
    while (strtod(out, NULL) != value && ++precision <= 17);
    if (strpbrk(out, ".e") == NULL)
        strcat(out, ".0");
}

static void analyze(FCGX_Request *request)
{
    static char body[BODY_MAX];
    int length = read_body(request, body);
    if (length < 0) {
        reply(request, 413, "Content Too Large", "{\"detail\":\"Content Too Large\"}");
        return;
    }
    if (!content_type_is_json(parameter(request, "CONTENT_TYPE"))) {
        reply(request, 415, "Unsupported Media Type", "{\"detail\":\"Unsupported Media Type\"}");
        return;
    }

    json_t *root = json_loadb(body, (size_t)length, 0, NULL);
    double a, b;
    if (!number(root, "a", &a) || !number(root, "b", &b) || !isfinite(a + b) || !isfinite(a - b)) {
        reply(request, 422, "Unprocessable Content", "{\"detail\":\"Unprocessable Content\"}");
    } else {
        char sum[NUMBER_SIZE], difference[NUMBER_SIZE], answer[128];
        format(sum, a + b);
        format(difference, a - b);
        snprintf(answer, sizeof answer, "{\"sum\":%s,\"difference\":%s}", sum, difference);
        reply(request, 200, "OK", answer);
    }
    json_decref(root);
}

static void serve(FCGX_Request *request)
{
    const char *path = parameter(request, "REQUEST_URI");
    const char *method = parameter(request, "REQUEST_METHOD");
    if (path == NULL || strcspn(path, "?") != 8 || strncmp(path, "/analyze", 8) != 0)
        reply(request, 404, "Not Found", "{\"detail\":\"Not Found\"}");
    else if (method == NULL || strcmp(method, "POST") != 0)
        reply(request, 405, "Method Not Allowed", "{\"detail\":\"Method Not Allowed\"}");
    else
        analyze(request);
}

int main(void)
{
    static FCGX_Request request;
    if (FCGX_IsCGI()) {
        serve(&request);
        return 0;
    }
    if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
        return 1;
    while (FCGX_Accept_r(&request) == 0) {
        serve(&request);
#ifdef NO_LINGER
        FCGX_Detach(&request);
#endif
        FCGX_Finish_r(&request);
    }
    return 0;
}
