// The same program as import.c, in C++17.
#include <microtrace.h>

int main()
{
    mt *const mt = mt_open("shop-import-cxx", "1.4.2");
    const char *const names[] = {"kind", nullptr}, *const values[] = {"book"};
    mt_series *const imported = mt_metric_series(
        mt_declare(mt, MT_COUNTER, "imported_total", "Articles imported.", nullptr, names), values);
    mt_series *const seconds = mt_metric_series(
        mt_declare(mt, MT_HISTOGRAM, "import_seconds", "Time of an import.", "seconds", nullptr),
        nullptr);
    mt_span *const span = mt_span_start_env(mt, "import", MT_SPAN_INTERNAL);
    const mt_attribute fields[] = {mt_string("file", "books.csv"), mt_int("articles", 3)};

    mt_add(imported, 3);
    mt_span_set(span, mt_int("import.articles", 3));
    mt_log(mt, span, MT_LOG_INFO, "shop.import", "import_done", fields, 2);
    mt_observe(seconds, 0.25, span);
    mt_span_end(span);
    mt_close(mt);
}
