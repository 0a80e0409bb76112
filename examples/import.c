/* A batch program: counts, times and logs what it did, as one span. */
#include <microtrace.h>

int main(void)
{
    struct mt *mt = mt_open("shop-import", "1.4.2");
    const char *const names[] = {"kind", NULL}, *const values[] = {"book"};
    struct mt_series *imported = mt_metric_series(
        mt_declare(mt, MT_COUNTER, "imported_total", "Articles imported.", NULL, names), values);
    struct mt_series *seconds = mt_metric_series(
        mt_declare(mt, MT_HISTOGRAM, "import_seconds", "Time of an import.", "seconds", NULL),
        NULL);
    struct mt_span *span = mt_span_start_env(mt, "import", MT_SPAN_INTERNAL);
    const struct mt_attribute fields[] = {mt_string("file", "books.csv"), mt_int("articles", 3)};

    mt_add(imported, 3);
    mt_span_set(span, mt_int("import.articles", 3));
    mt_log(mt, span, MT_LOG_INFO, "shop.import", "import_done", fields, 2);
    mt_observe(seconds, 0.25, span);
    mt_span_end(span);
    mt_close(mt);
    return 0;
}
