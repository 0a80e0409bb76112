/*
 * The commands of `microtrace`: each is one file with one entry point, listed in the table of
 * main.c.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* the world is not as the command needs it; said on stderr */
    COMMAND_USAGE = 2,  /* the command line is off; said on stderr */
};

struct command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *help;      /* one line */
    /* argv[0] is the command's name. Returns one of the above. */
    int (*run)(int argc, char **argv);
};

/* `microtrace metrics`: what the metrics file holds, without the agent. */
int command_metrics(int argc, char **argv);

/* `microtrace breaker`: the state of the breaker that all processes share. */
int command_breaker(int argc, char **argv);

/* `microtrace spool`: what the spool holds, where the agent stands, and what is wrong in it. */
int command_spool(int argc, char **argv);

/* `microtrace chaos`: faults on demand, for all processes. */
int command_chaos(int argc, char **argv);

/* `microtrace load`: synthetic load on an instance. */
int command_load(int argc, char **argv);

#endif
