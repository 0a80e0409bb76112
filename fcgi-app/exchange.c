#include "fcgi-app/exchange.h"

#include "lib/base/message.h"
#include "lib/base/reminder.h"

enum { ABOUT_MAX = 1024 };

void exchange_fail(struct exchange *exchange, enum errors_kind error)
{
    struct json_writer *w = &exchange->reply.body;

    exchange->error = error;
    exchange->reply.status = http_status_find(errors_table[error].status);
    json_writer_begin_object(w);
    json_writer_key_string(w, "detail", errors_table[error].message);
    json_writer_end_object(w);
}

void exchange_log(struct exchange *exchange, enum log_level level, const char *name,
                  const char *message, const struct attribute *fields, size_t field_count)
{
    telemetry_log(exchange->app->telemetry, level, name, message, &exchange->server.log, fields,
                  field_count);
}

void exchange_tell_damage(struct exchange *exchange, bool damaged, bool *told, const char *command,
                          const char *state)
{
    const char *const dir = exchange->app->settings.telemetry.run_dir;
    char about[ABOUT_MAX];

    if (damaged == *told)
        return;
    *told = damaged;
    (void)snprintf(about, sizeof(about), "%s\n%s", command, dir);
    if (damaged && reminder_due(about))
        message_print("%s/metrics.mmap: the %s words are damaged and count as %s; "
                      "microtrace %s reset mends them",
                      dir, command, state, command);
}
