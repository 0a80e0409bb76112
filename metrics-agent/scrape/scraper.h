/*
 * The thread that answers /metrics, /healthz and the page, and that takes the page's sample of the
 * metrics file every few seconds. It reads that file and nothing else, so that no disk, no spool
 * and no collector can hold a scrape up: those are the main thread's, which may have to wait in a
 * system call for as long as a disk takes (a read, a rename, an fdatasync of seconds), and the
 * looker's (metrics-agent/page/looker.h).
 *
 * The two meet here alone. A scrape asks for fresh counts and waits SCRAPER_FRESH_MS for them at
 * most; so does a sample. While a question is open the next scrapes do not wait at all, and all of
 * them tell what the metrics file says. Besides that the main thread says what is wrong with the
 * spool, and whether it is at work, which is what /healthz tells.
 *
 * This thread also tells the service manager's watchdog that it goes on. The main thread does not:
 * a disk that hangs would have the agent killed, and /metrics with it. That one is /healthz's to
 * tell.
 *
 * All functions take NULL and do nothing then: a drain serves nobody.
 */
#ifndef METRICS_AGENT_SCRAPE_SCRAPER_H
#define METRICS_AGENT_SCRAPE_SCRAPER_H

#include "lib/base/notify.h"
#include "lib/spool/agent_status.h"
#include "metrics-agent/scrape/http_server.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SCRAPER_FRESH_MS = 40, /* that a scrape waits for counts, once until they have come */
    SCRAPER_STUCK_S = 10,  /* after which /healthz calls the main thread stuck */
    /* Of the metrics file's index a scrape looks at so many: all of it for 65,536 series. The rest
     * follows between scrapes. */
    SCRAPER_BUCKETS = 1 << 18,
    SCRAPER_PROBLEM_MAX = 512 /* bytes of what is wrong, with its NUL */
};

struct scraper;

struct scraper_settings {
    const char *listen, *run_dir, *spool_dir;
    int page;                    /* enum agent_page */
    const struct notify *notify; /* pinged by the thread; borrowed, NULL for none */
    void (*wake)(void *context); /* from the scraper's thread: ends the main thread's wait */
    void *context;
};

/*
 * Listens, and starts the thread; signals have to be blocked by now. Until scraper_problem is
 * called /healthz answers that the agent is starting. Returns NULL with one line in `reason`.
 */
struct scraper *scraper_start(const struct scraper_settings *settings,
                              char reason[HTTP_SERVER_REASON_MAX]);

/* Ends the thread after the answer that it is making, and closes all connections. */
void scraper_stop(struct scraper *scraper);

/* Whether a scrape has asked for fresh counts since the last scraper_fresh. */
bool scraper_asks(struct scraper *scraper);

/* The counts in the metrics file are as fresh as they can be. */
void scraper_fresh(struct scraper *scraper);

/* What /healthz answers as 503, one line; "" while all is well. */
void scraper_problem(struct scraper *scraper, const char *text);

/* Whether it serves the page: the setting, or the address, may say no. */
bool scraper_has_page(const struct scraper *scraper);

/* How the exports go, for the page. */
void scraper_status(struct scraper *scraper, const struct agent_status *status);

/* The main thread begins to wait for events, or to work. */
void scraper_waiting(struct scraper *scraper);
void scraper_working(struct scraper *scraper, uint64_t now_ns);

#endif
