/*
 * The agent as `microtrace cron` starts it: to send once what is there. A process of its own, since
 * this command is to start without libcurl.
 */
#ifndef CLI_CRON_AGENT_H
#define CLI_CRON_AGENT_H

/*
 * Starts the agent that is beside this program for the chosen instance, waits for its end, and
 * passes on what it says. It sends for `within_s` seconds at most; one that goes on for some more
 * is killed, and it is told to end when this process dies. Returns 0, or -1 where not all is well,
 * which is said on standard error by then.
 */
int cron_agent_run(double within_s);

#endif
