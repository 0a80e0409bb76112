#include "fcgi-app/validation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_error(struct validation *validation, enum errors_kind kind, const char *field,
                      const json_t *input)
{
    validation->errors[validation->error_count++] =
        (struct validation_error){.kind = kind, .field = field, .input = input};
}

/* Reads one member, or adds what is wrong with it. */
static void read_number(struct validation *validation, const char *field, double *number)
{
    const json_t *value = json_object_get(validation->document, field);
    size_t length;

    if (value == NULL)
        add_error(validation, ERRORS_MISSING, field, validation->document);
    else if (json_value_marked(value, &validation->marker, &length) != NULL)
        add_error(validation, ERRORS_FINITE_NUMBER, field, value);
    else if (!json_is_real(value))
        add_error(validation, ERRORS_FLOAT_TYPE, field, value);
    else
        *number = json_real_value(value);
}

void validation_parse(struct validation *validation, const char *body, size_t length)
{
    validation->error_count = 0;
    validation->document = NULL;
    validation->marker.bytes[0] = '\0';
    if (length == 0) {
        add_error(validation, ERRORS_MISSING, NULL, NULL);
        return;
    }
    validation->document = json_value_parse(body, length, &validation->marker, &validation->syntax);
    if (validation->document == NULL) {
        add_error(validation, ERRORS_JSON_INVALID, NULL, NULL);
        return;
    }
    if (!json_is_object(validation->document)) {
        add_error(validation, ERRORS_MODEL_ATTRIBUTES_TYPE, NULL, validation->document);
        return;
    }
    read_number(validation, "a", &validation->a);
    read_number(validation, "b", &validation->b);
    if (validation->error_count == 0 &&
        (!isfinite(validation->a + validation->b) || !isfinite(validation->a - validation->b)))
        add_error(validation, ERRORS_FINITE_NUMBER, NULL, validation->document);
}

void validation_free(struct validation *validation)
{
    json_decref(validation->document);
    validation->document = NULL;
}

static void write_location(struct json_writer *w, const struct validation *validation,
                           const struct validation_error *error)
{
    json_writer_key(w, "loc");
    json_writer_begin_array(w);
    json_writer_string(w, "body");
    if (error->kind == ERRORS_JSON_INVALID)
        json_writer_int(w, validation->syntax.position > 0 ? validation->syntax.position : 0);
    else if (error->field != NULL)
        json_writer_string(w, error->field);
    json_writer_end_array(w);
}

static void write_message(struct json_writer *w, const struct validation *validation,
                          const struct validation_error *error)
{
    char message[64 + JSON_ERROR_TEXT_LENGTH];

    json_writer_key(w, "msg");
    if (error->kind != ERRORS_JSON_INVALID) {
        json_writer_string(w, errors_table[error->kind].message);
        return;
    }
    (void)snprintf(message, sizeof(message), "%s: %s", errors_table[error->kind].message,
                   validation->syntax.text);
    json_writer_string(w, message);
}

static void write_input(struct json_writer *w, const struct validation *validation,
                        const struct validation_error *error)
{
    if (error->input != NULL) {
        json_value_write(w, error->input, &validation->marker);
    } else if (error->kind == ERRORS_JSON_INVALID) {
        json_writer_begin_object(w);
        json_writer_end_object(w);
    } else {
        json_writer_null(w);
    }
}

/* A long input becomes a string: the start of its text. */
static void write_input_cut(struct json_writer *w, const struct validation *validation,
                            const struct validation_error *error)
{
    char text[VALIDATION_LOGGED_INPUT_MAX];
    struct json_writer cut;

    if (json_is_string(error->input) &&
        json_string_length(error->input) > VALIDATION_LOGGED_INPUT_MAX) {
        json_writer_string_n(w, json_string_value(error->input), VALIDATION_LOGGED_INPUT_MAX);
        return;
    }
    json_writer_init(&cut, text, sizeof(text));
    write_input(&cut, validation, error);
    if (cut.overflow)
        json_writer_string_n(w, text, cut.len);
    else
        json_writer_raw_value(w, text, cut.len);
}

static void write_errors(struct json_writer *w, const struct validation *validation,
                         void (*write_one_input)(struct json_writer *, const struct validation *,
                                                 const struct validation_error *))
{
    json_writer_begin_array(w);
    for (unsigned i = 0; i < validation->error_count; i++) {
        const struct validation_error *error = &validation->errors[i];

        json_writer_begin_object(w);
        json_writer_key(w, "type");
        json_writer_string(w, errors_table[error->kind].name);
        write_location(w, validation, error);
        write_message(w, validation, error);
        json_writer_key(w, "input");
        write_one_input(w, validation, error);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

void validation_write_errors(struct json_writer *w, const struct validation *validation)
{
    write_errors(w, validation, write_input);
}

void validation_write_errors_cut(struct json_writer *w, const struct validation *validation)
{
    write_errors(w, validation, write_input_cut);
}
