#include "metrics-agent/page/looker.h"

#include "lib/base/clock.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

TAILQ_HEAD(questions, looker_question);

struct looker_question {
    TAILQ_ENTRY(looker_question) entry; /* while it waits */
    struct page_query query;
    unsigned askers, status; /* status: 0 while there is no answer */
    struct html html;
};

/* What the thread and the caller share. It stays when the thread is left behind. */
struct desk {
    struct looker_settings settings;
    pthread_mutex_t lock; /* of what follows; held for a few instructions only */
    pthread_cond_t changed;
    enum { DESK_EMPTY, DESK_ASKED, DESK_ANSWERED } state;
    bool stop, ended;
    struct page_query query;
    struct html html;
    unsigned status;
    int fd;
};

struct looker {
    struct desk *desk;
    pthread_t thread;
    bool running;
    uint64_t idle_ns;                /* since when there has been no question */
    struct questions waiting;        /* none of them is asked yet */
    size_t count;                    /* of these */
    struct looker_question *current; /* that the thread has, or NULL */
};

static void tell(const struct desk *desk)
{
    const uint64_t one = 1;

    /* It fails only where the counter is at its end, and so readable. */
    if (write(desk->fd, &one, sizeof(one)) < 0)
        return;
}

static void *serve(void *context)
{
    struct desk *const desk = context;

    (void)pthread_mutex_lock(&desk->lock);
    for (;;) {
        struct html html = {.max = LOOKER_HTML_MAX};
        unsigned status;

        while (!desk->stop && desk->state != DESK_ASKED)
            (void)pthread_cond_wait(&desk->changed, &desk->lock);
        if (desk->stop)
            break;
        (void)pthread_mutex_unlock(&desk->lock);
        /* The caller writes the query only while nothing is asked. */
        status = desk->settings.write(&html, &desk->query, desk->settings.run_dir,
                                      desk->settings.spool_dir);
        (void)malloc_trim(0);
        (void)pthread_mutex_lock(&desk->lock);
        desk->html = html;
        desk->status = status;
        desk->state = DESK_ANSWERED;
        tell(desk);
    }
    desk->ended = true;
    (void)pthread_cond_signal(&desk->changed);
    (void)pthread_mutex_unlock(&desk->lock);
    return NULL;
}

static void release(struct desk *desk)
{
    html_free(&desk->html);
    (void)close(desk->fd);
    (void)pthread_cond_destroy(&desk->changed);
    (void)pthread_mutex_destroy(&desk->lock);
    free(desk);
}

static int init_lock(struct desk *desk)
{
    const int error = pthread_cond_init(&desk->changed, NULL);

    return error == 0 ? pthread_mutex_init(&desk->lock, NULL) : error;
}

struct looker *looker_open(const struct looker_settings *settings)
{
    struct looker *const looker = calloc(1, sizeof(*looker));
    struct desk *const desk = calloc(1, sizeof(*desk));

    if (looker == NULL || desk == NULL || init_lock(desk) != 0) {
        free(looker);
        free(desk);
        return NULL;
    }
    desk->settings = *settings;
    desk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (desk->fd < 0) {
        release(desk);
        free(looker);
        return NULL;
    }
    looker->desk = desk;
    TAILQ_INIT(&looker->waiting);
    return looker;
}

static bool start(struct looker *looker)
{
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    looker->desk->stop = looker->desk->ended = false;
    looker->running = pthread_attr_setstacksize(&attributes, LOOKER_STACK_BYTES) == 0 &&
                      pthread_create(&looker->thread, &attributes, serve, looker->desk) == 0;
    (void)pthread_attr_destroy(&attributes);
    return looker->running;
}

/* Returns whether the thread has ended; it may have to wait for a disk. */
static bool stop(struct looker *looker)
{
    struct desk *const desk = looker->desk;
    struct timespec until;
    bool ended;

    if (!looker->running)
        return true;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOKER_STOP_MS * (long)CLOCK_NS_PER_MS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&desk->lock);
    desk->stop = true;
    (void)pthread_cond_signal(&desk->changed);
    while (!desk->ended &&
           pthread_cond_clockwait(&desk->changed, &desk->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    ended = desk->ended;
    (void)pthread_mutex_unlock(&desk->lock);
    if (ended)
        (void)pthread_join(looker->thread, NULL);
    else
        (void)pthread_detach(looker->thread);
    looker->running = false;
    return ended;
}

void looker_close(struct looker *looker)
{
    if (looker == NULL)
        return;
    if (stop(looker))
        release(looker->desk);
    free(looker->current);
    free(looker);
}

int looker_fd(const struct looker *looker)
{
    return looker->desk->fd;
}

static struct looker_question *find(const struct looker *looker, const struct page_query *query)
{
    struct looker_question *q = looker->current;

    if (q != NULL && page_query_same_traces(&q->query, query))
        return q;
    TAILQ_FOREACH(q, &looker->waiting, entry)
    {
        if (page_query_same_traces(&q->query, query))
            return q;
    }
    return NULL;
}

struct looker_question *looker_ask(struct looker *looker, const struct page_query *query)
{
    struct looker_question *q = find(looker, query);

    if (q == NULL) {
        if (looker->count >= LOOKER_WAITING_MAX || (!looker->running && !start(looker)) ||
            (q = calloc(1, sizeof(*q))) == NULL)
            return NULL;
        q->query = *query;
        TAILQ_INSERT_TAIL(&looker->waiting, q, entry);
        looker->count++;
        tell(looker->desk);
    }
    q->askers++;
    return q;
}

unsigned looker_answer(const struct looker_question *question, const char **section, size_t *len)
{
    *section = question->html.text != NULL ? question->html.text : "";
    if (len != NULL)
        *len = question->html.len;
    return question->status;
}

void looker_leave(struct looker *looker, struct looker_question *question)
{
    if (question == NULL || --question->askers > 0 || question == looker->current)
        return;
    if (question->status == 0) {
        TAILQ_REMOVE(&looker->waiting, question, entry);
        looker->count--;
    }
    html_free(&question->html);
    free(question);
}

/* Takes the answer, if it is there. */
static bool take(struct looker *looker, uint64_t now_ns)
{
    struct looker_question *const q = looker->current;
    struct desk *const desk = looker->desk;
    bool answered;

    (void)pthread_mutex_lock(&desk->lock);
    answered = desk->state == DESK_ANSWERED;
    if (answered) {
        q->html = desk->html;
        q->status = desk->status;
        desk->html = (struct html){.max = 0};
        desk->state = DESK_EMPTY;
    }
    (void)pthread_mutex_unlock(&desk->lock);
    if (!answered)
        return false;
    looker->current = NULL;
    looker->idle_ns = now_ns;
    if (q->askers == 0) {
        html_free(&q->html);
        free(q);
    }
    return true;
}

static void give(struct looker *looker)
{
    struct looker_question *const q = TAILQ_FIRST(&looker->waiting);
    struct desk *const desk = looker->desk;

    TAILQ_REMOVE(&looker->waiting, q, entry);
    looker->count--;
    looker->current = q;
    desk->query = q->query;
    (void)pthread_mutex_lock(&desk->lock);
    desk->state = DESK_ASKED;
    (void)pthread_cond_signal(&desk->changed);
    (void)pthread_mutex_unlock(&desk->lock);
}

uint64_t looker_run(struct looker *looker, uint64_t now_ns)
{
    const uint64_t idle_ns = LOOKER_IDLE_S * (uint64_t)CLOCK_NS_PER_S;
    uint64_t told;

    /* Nothing to read is as good. */
    if (read(looker->desk->fd, &told, sizeof(told)) < 0)
        told = 0;
    /* Before the next question the caller may see that its client has left. */
    if (looker->current != NULL && take(looker, now_ns))
        return now_ns;
    if (looker->current == NULL && looker->count > 0)
        give(looker);
    if (looker->current != NULL || !looker->running)
        return UINT64_MAX;
    if (now_ns >= looker->idle_ns + idle_ns) {
        /* It waits for a question: it ends at once. */
        (void)stop(looker);
        return UINT64_MAX;
    }
    return looker->idle_ns + idle_ns;
}
