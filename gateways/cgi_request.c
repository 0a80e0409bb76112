#include "gateways/cgi_request.h"

#include "gateways/cgi_relay.h"
#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What fcgiwrap's variable says of the working directory: "-" leaves it; default is the script's.
 */
static const char *folder_of(struct cgi_request *r, char folder[PATH_MAX])
{
    const char *const given = cgi_script_variable(r->front.variables, "FCGI_CHDIR");

    if (given != NULL && strcmp(given, "-") == 0)
        return NULL;
    if (given != NULL && strlen(given) < PATH_MAX)
        return strcpy(folder, given);
    (void)strcpy(folder, r->script.path);
    *strrchr(folder, '/') = '\0';
    return folder[0] != '\0' ? folder : "/";
}

static enum cgi_error_kind start(struct cgi_request *r)
{
    const bool is_empty = r->front.body_ended && r->front.body_at == r->front.body_end;
    const enum cgi_process_stdin from = !r->front.is_fastcgi ? CGI_PROCESS_STDIN_OURS
                                        : is_empty           ? CGI_PROCESS_STDIN_EMPTY
                                                             : CGI_PROCESS_STDIN_PIPE;
    char folder[PATH_MAX];

    if (cgi_environment_make(&r->environment, r->front.variables, &r->script, &r->observed.server,
                             &r->settings->telemetry) != 0)
        return CGI_ERROR_TOO_LARGE;
    switch (cgi_process_start(&r->process, r->script.path, r->environment.list,
                              folder_of(r, folder), from, r->group)) {
    case CGI_PROCESS_STARTED:
        return CGI_ERROR_NONE;
    case CGI_PROCESS_NO_ROOM:
        return CGI_ERROR_SPAWN;
    case CGI_PROCESS_NO_EXEC:
        break;
    }
    if (errno == E2BIG)
        return CGI_ERROR_TOO_LARGE;
    return errno == ENOMEM || errno == EAGAIN ? CGI_ERROR_SPAWN : CGI_ERROR_EXEC;
}

/* A line of the script's stderr, to where fcgiwrap sends it. */
static void copy_line(void *to, const char *line, size_t length)
{
    struct cgi_request *const r = to;

    if (!r->options->to_server || !r->front.is_fastcgi)
        (void)message_write(STDERR_FILENO, line, length);
    else
        cgi_front_put_error(&r->front, line, length);
}

static const struct cgi_error *error_of(const struct cgi_request *r)
{
    return &cgi_errors[r->error];
}

/* A log line and a line for the server's log, of what is wrong with a script. */
static void say_failure(struct cgi_request *r)
{
    const struct attribute fields[] = {
        attribute_string("error", error_of(r)->name),
        attribute_string("reason", error_of(r)->text),
        attribute_string("script", r->script.path),
    };
    char text[PATH_MAX + 256], line[PRINTABLE_LINE_MAX];
    size_t size;
    int length;

    telemetry_log(r->telemetry, LOG_LEVEL_ERROR, "microtrace.cgi", "script_failed",
                  &r->observed.server.log, fields, sizeof(fields) / sizeof(fields[0]));
    length =
        snprintf(text, sizeof(text), "microtrace-cgi: %s: %s", r->script.path, error_of(r)->text);
    if (length <= 0 || (size_t)length >= sizeof(text))
        return;
    /* The path may be a client's choice, with line ends of its own. */
    size = printable_copy(line, PRINTABLE_LINE_MAX - 1, text, (size_t)length);
    line[size++] = '\n';
    copy_line(r, line, size);
}

/* Our own answer, in place of a script's that has not begun. */
static void answer_error(struct cgi_request *r)
{
    const struct cgi_error *const error = error_of(r);
    char trace[TRACE_CONTEXT_PARENT_SIZE];
    int length;

    trace_context_format(trace, &r->observed.server.span.context);
    length =
        snprintf(r->answer, sizeof(r->answer),
                 "Status: %d %s\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n"
                 "X-Request-ID: %s\r\ntraceresponse: %s\r\n\r\n%d %s\n",
                 error->status, error->reason, r->observed.server.request_id, trace, error->status,
                 error->reason);
    r->status = error->status;
    cgi_front_put(&r->front, r->answer, (size_t)length);
}

void cgi_request_tell(struct cgi_request *r)
{
    struct attribute attributes[8];
    size_t count = 0;
    char signal_name[16];
    struct observed_outcome outcome = {
        .status = r->status,
        .error = error_of(r)->name,
        .abandoned = r->error == CGI_ERROR_CLIENT_GONE,
        .attributes = attributes,
    };

    if (r->told)
        return;
    r->told = true;
    stderr_lines_end(&r->err);
    if (error_of(r)->text != NULL)
        say_failure(r);
    attributes[count++] = attribute_string("microtrace.cgi.script", r->script.path);
    if (r->process.exited && WIFEXITED(r->process.status))
        attributes[count++] = attribute_int("process.exit.code", WEXITSTATUS(r->process.status));
    if (r->process.exited && WIFSIGNALED(r->process.status)) {
        const int number = WTERMSIG(r->process.status);
        const char *const name = sigabbrev_np(number);

        if (name != NULL)
            (void)snprintf(signal_name, sizeof(signal_name), "SIG%s", name);
        else
            (void)snprintf(signal_name, sizeof(signal_name), "%d", number);
        attributes[count++] = attribute_string("microtrace.cgi.signal", signal_name);
    }
    if (r->first_byte_ns >= 0) {
        attributes[count++] = attribute_double("microtrace.cgi.first_byte_seconds",
                                               (double)r->first_byte_ns / CLOCK_NS_PER_S);
        attributes[count++] = attribute_int("http.response.body.size", (int64_t)r->body_bytes);
    }
    if (r->left_open)
        attributes[count++] = attribute_bool("microtrace.cgi.stdout_left_open", true);
    if (r->err.cut_all > 0)
        attributes[count++] =
            attribute_int("microtrace.cgi.stderr_cut_bytes", (int64_t)r->err.cut_all);
    if (stderr_lines_dropped(&r->err) > 0)
        attributes[count++] = attribute_int("microtrace.cgi.stderr_dropped_lines",
                                            (int64_t)stderr_lines_dropped(&r->err));
    outcome.attribute_count = count;
    observer_end(r->observer, &r->observed, &outcome);
}

void cgi_request_fail(struct cgi_request *r, enum cgi_error_kind error)
{
    if (r->error == CGI_ERROR_NONE && !r->told)
        r->error = error;
    if (r->status == 0 && error != CGI_ERROR_CLIENT_GONE)
        answer_error(r);
}

bool cgi_request_is_ended(const struct cgi_request *r)
{
    return r->error == CGI_ERROR_NONE || r->first_byte_ns < 0;
}

void cgi_request_serve(struct cgi_request *r, const char *path)
{
    enum cgi_script_result found;

    cgi_process_reap();
    r->process = (struct cgi_process){.pidfd = -1, .in = -1, .out = -1, .err = -1};
    r->error = CGI_ERROR_NONE;
    r->status = 0;
    r->told = r->left_open = r->is_complete = r->is_whole = false;
    r->head_size = 0;
    r->left = CGI_REQUEST_LEFT_UNKNOWN;
    r->body_bytes = 0;
    r->first_byte_ns = -1;
    request_from_environment(&r->request, r->front.variables);
    found = cgi_script_find(&r->script, r->front.variables, path, &r->options->allowed);
    observer_begin(r->observer, &r->observed, &r->request,
                   found == CGI_SCRIPT_FOUND ? r->script.url_path : NULL);
    r->err = (struct stderr_lines){.telemetry = r->telemetry,
                                   .context = &r->observed.server.log,
                                   .logger = "microtrace.cgi",
                                   .line = r->err_line,
                                   .copy = copy_line,
                                   .to = r};
    r->error = r->front.too_large            ? CGI_ERROR_TOO_LARGE
               : found == CGI_SCRIPT_FOUND   ? start(r)
               : found == CGI_SCRIPT_MISSING ? CGI_ERROR_NOT_FOUND
                                             : CGI_ERROR_FORBIDDEN;
    if (r->error == CGI_ERROR_NONE)
        cgi_relay_run(r);
    else
        answer_error(r);
    cgi_request_tell(r);
    cgi_relay_finish(r);
    cgi_process_close(&r->process);
}
