#include "metrics-agent/scrape/scraper.h"

#include "lib/base/clock.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/reader.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/page/page.h"
#include "metrics-agent/scrape/exposition_negotiate.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_BYTES = 512 << 10,
    POLL_MAX_MS = 10000,
    PAUSE_MS = 10, /* before the next try while waiting itself fails */
};

struct scraper {
    struct scraper_settings settings;
    struct http_server *http;
    struct metrics_reader *reader;
    struct page *page; /* NULL for none */
    pthread_t thread;
    int stop_fd;
    bool reading; /* the metrics file's index was not seen whole yet */
    uint64_t ping_due_ms;

    pthread_mutex_t lock; /* of what follows; held for a few instructions only */
    pthread_cond_t changed;
    uint64_t asked, answered; /* questions for fresh counts; open while they differ */
    uint64_t working_ns;      /* since when the main thread works, 0 while it waits */
    char problem[SCRAPER_PROBLEM_MAX];
    struct agent_status status;

    char told[SCRAPER_PROBLEM_MAX]; /* the thread's own copy */
};

/* Waits for the main thread's counts, unless it did not answer the last question yet. */
static void ask_for_counts(struct scraper *s)
{
    struct timespec until;
    uint64_t question;

    (void)pthread_mutex_lock(&s->lock);
    if (s->asked != s->answered) {
        (void)pthread_mutex_unlock(&s->lock);
        return;
    }
    question = ++s->asked;
    (void)pthread_mutex_unlock(&s->lock);
    s->settings.wake(s->settings.context);
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SCRAPER_FRESH_MS * (long)CLOCK_NS_PER_MS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&s->lock);
    while (s->answered < question &&
           pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Returns 0, or -1 where there is no file to read. */
static int read_step(struct scraper *s)
{
    const int result = metrics_reader_step(s->reader, SCRAPER_BUCKETS);

    s->reading = result > 0;
    return result < 0 ? -1 : 0;
}

static int text_of_metrics(void *context, const char *accept, struct http_answer *answer,
                           char reason[HTTP_SERVER_REASON_MAX])
{
    struct exposition_choice choice = exposition_negotiate(accept);
    struct scraper *s = context;
    struct exposition out;

    ask_for_counts(s);
    if (read_step(s) != 0) {
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "%s", metrics_reader_problem(s->reader));
        return -1;
    }
    exposition_begin(&out, choice.format);
    exposition_reader(&out, s->reader);
    metrics_reader_rest(s->reader);
    if (exposition_end(&out) != 0 || metrics_reader_lost(s->reader)) {
        exposition_free(&out);
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "the metrics file can't be read now");
        return -1;
    }
    *answer = (struct http_answer){
        .text = out.text, .length = out.len, .content_type = choice.content_type};
    return 0;
}

static const char *problem_of_agent(void *context)
{
    struct scraper *s = context;
    const uint64_t now = clock_monotonic_ns();
    uint64_t stuck_s = 0;

    (void)pthread_mutex_lock(&s->lock);
    memcpy(s->told, s->problem, sizeof s->told);
    if (s->working_ns != 0 && now > s->working_ns)
        stuck_s = (now - s->working_ns) / (1000 * (uint64_t)CLOCK_NS_PER_MS);
    (void)pthread_mutex_unlock(&s->lock);
    if (stuck_s >= SCRAPER_STUCK_S)
        (void)snprintf(s->told, sizeof s->told,
                       "nothing is sent: the agent has waited for a disk for %llu s",
                       (unsigned long long)stuck_s);
    return s->told[0] != '\0' ? s->told : NULL;
}

/* Takes the page's next sample when that is due. Returns the milliseconds until it is again. */
static uint64_t sample(struct scraper *s)
{
    struct agent_status status;
    const char *wrong;
    uint64_t now;

    if (s->page == NULL)
        return POLL_MAX_MS;
    now = clock_monotonic_ns();
    if (now >= page_sample_due(s->page)) {
        ask_for_counts(s);
        (void)read_step(s);
        /* What was not seen yet would pass for new. */
        if (s->reading)
            return 0;
        wrong = problem_of_agent(s);
        (void)pthread_mutex_lock(&s->lock);
        status = s->status;
        (void)pthread_mutex_unlock(&s->lock);
        page_sample(s->page, s->reader, &status, wrong != NULL ? wrong : "", now);
        metrics_reader_rest(s->reader);
    }
    return (page_sample_due(s->page) - now) / CLOCK_NS_PER_MS + 1;
}

/* Tells the watchdog when that is due. Returns the milliseconds until it is again. */
static uint64_t ping(struct scraper *s)
{
    const struct notify *const notify = s->settings.notify;
    uint64_t now_ms;

    if (notify == NULL || notify->ping_ms == 0)
        return POLL_MAX_MS;
    now_ms = clock_monotonic_ms();
    if (now_ms >= s->ping_due_ms) {
        notify_ping(notify);
        s->ping_due_ms = now_ms + notify->ping_ms;
    }
    return s->ping_due_ms - now_ms;
}

static void *serve(void *context)
{
    struct scraper *s = context;

    for (;;) {
        struct pollfd fds[3] = {
            {.fd = s->stop_fd, .events = POLLIN},
            {.fd = http_server_fd(s->http), .events = POLLIN},
            {.fd = s->page != NULL ? looker_fd(page_looker(s->page)) : -1, .events = POLLIN}};
        const uint64_t sample_due = sample(s), due = http_server_timeout_ms(s->http);
        const uint64_t ping_due = ping(s), first = due < ping_due ? due : ping_due;
        const uint64_t timeout = s->reading ? 0 : first < sample_due ? first : sample_due;
        const int ready = poll(fds, 3, timeout < POLL_MAX_MS ? (int)timeout : POLL_MAX_MS);

        if (ready < 0 && errno != EINTR)
            clock_sleep_ns(clock_ms_to_ns(PAUSE_MS));
        if (ready > 0 && fds[0].revents != 0)
            return NULL;
        http_server_run(s->http);
        if (s->reading)
            (void)read_step(s);
    }
}

static int start_thread(struct scraper *s)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return error;
    error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (error == 0)
        error = pthread_create(&s->thread, &attributes, serve, s);
    (void)pthread_attr_destroy(&attributes);
    return error;
}

/* Returns 0, or an error number. */
static int add_page(struct scraper *s)
{
    if (s->settings.page == AGENT_PAGE_OFF ||
        (s->settings.page == AGENT_PAGE_LOCAL && !http_server_is_local(s->http)))
        return 0;
    s->page = page_open(s->settings.run_dir, s->settings.spool_dir);
    return s->page != NULL && http_server_add_page(s->http, s->page) == 0 ? 0 : ENOMEM;
}

static int init_lock(struct scraper *s)
{
    const int error = pthread_cond_init(&s->changed, NULL);

    return error == 0 ? pthread_mutex_init(&s->lock, NULL) : error;
}

static void release(struct scraper *s)
{
    http_server_close(s->http);
    page_close(s->page);
    metrics_reader_close(s->reader);
    if (s->stop_fd >= 0)
        (void)close(s->stop_fd);
    free(s);
}

struct scraper *scraper_start(const struct scraper_settings *settings,
                              char reason[HTTP_SERVER_REASON_MAX])
{
    struct scraper *s = calloc(1, sizeof *s);
    int error = s != NULL ? init_lock(s) : ENOMEM;

    if (error == 0) {
        s->settings = *settings;
        (void)snprintf(s->problem, sizeof s->problem, "starting");
        s->stop_fd = eventfd(0, EFD_CLOEXEC);
        s->reader = metrics_reader_open(settings->run_dir);
        if (s->stop_fd >= 0 && s->reader != NULL) {
            s->http =
                http_server_open(settings->listen, text_of_metrics, problem_of_agent, s, reason);
            if (s->http == NULL) {
                release(s);
                return NULL;
            }
            error = add_page(s);
            if (error == 0)
                error = start_thread(s);
        } else {
            error = s->stop_fd < 0 ? errno : ENOMEM;
        }
        if (error == 0)
            return s;
        release(s);
    } else {
        free(s);
    }
    (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "/metrics can't be served: %s", strerror(error));
    return NULL;
}

void scraper_stop(struct scraper *s)
{
    const uint64_t one = 1;

    if (s == NULL)
        return;
    /* A counter of 0 takes a 1 without waiting. */
    if (write(s->stop_fd, &one, sizeof one) == (ssize_t)sizeof one) {
        (void)pthread_join(s->thread, NULL);
        release(s);
    }
}

bool scraper_asks(struct scraper *s)
{
    bool asks;

    if (s == NULL)
        return false;
    (void)pthread_mutex_lock(&s->lock);
    asks = s->asked != s->answered;
    (void)pthread_mutex_unlock(&s->lock);
    return asks;
}

void scraper_fresh(struct scraper *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->answered = s->asked;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

void scraper_problem(struct scraper *s, const char *text)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    (void)snprintf(s->problem, sizeof s->problem, "%s", text);
    (void)pthread_mutex_unlock(&s->lock);
}

bool scraper_has_page(const struct scraper *s)
{
    return s != NULL && s->page != NULL;
}

void scraper_status(struct scraper *s, const struct agent_status *status)
{
    if (s == NULL || s->page == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->status = *status;
    (void)pthread_mutex_unlock(&s->lock);
}

static void set_working(struct scraper *s, uint64_t now_ns)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->working_ns = now_ns;
    (void)pthread_mutex_unlock(&s->lock);
}

void scraper_waiting(struct scraper *s)
{
    set_working(s, 0);
}

void scraper_working(struct scraper *s, uint64_t now_ns)
{
    set_working(s, now_ns);
}
