/* A FastCGI program: one server span, one log record and one count for each request. */
#include <fcgiapp.h>
#include <microtrace.h>

int main(void)
{
    struct mt *mt = mt_open("guestbook", "2.0.1");
    const char *const labels[] = {"method", NULL};
    struct mt_metric *visits =
        mt_declare(mt, MT_COUNTER, "visits_total", "Visits, by method.", NULL, labels);
    FCGX_Request request;

    if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
        return 1;
    while (FCGX_Accept_r(&request) == 0) {
        const char *method = FCGX_GetParam("REQUEST_METHOD", request.envp);
        struct mt_span *span =
            mt_span_start_cgi(mt, "GET /guestbook", MT_SPAN_SERVER, request.envp);
        const struct mt_attribute fields[] = {mt_string("method", method), mt_int("status", 200)};

        mt_span_set(span, mt_string("http.request.method", method));
        mt_span_set(span, mt_int("http.response.status_code", 200));
        mt_log(mt, span, MT_LOG_INFO, "guestbook.request", "visit", fields, 2);
        mt_add(mt_metric_series(visits, &method), 1);
        mt_span_end(span);
        mt_flush(mt); /* first: what a client has received is recorded, whoever is killed then */
        FCGX_FPrintF(request.out, "Content-Type: text/plain\r\n\r\nWelcome.\n");
        FCGX_Finish_r(&request);
    }
    mt_close(mt);
    return 0;
}
