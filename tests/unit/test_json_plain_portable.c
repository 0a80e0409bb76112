/* Goal: that of test_json_plain.c, for the code that processors without SSE2 run. */
#undef __SSE2__
#include "lib/base/json_plain.c"
#include "tests/unit/test_json_plain.c"
