/* Goal: that of test_json_scan.c, for the code that processors without SSE2 run. */
#undef __SSE2__
#include "lib/base/json_scan.c"
#include "tests/unit/test_json_scan.c"
