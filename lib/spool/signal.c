#include "lib/spool/signal.h"

const char *const spool_signal_names[SPOOL_SIGNALS] = {"traces", "logs"};
