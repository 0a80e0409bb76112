#include "fcgi-app/openapi.h"

/* Small pieces, because a string literal with all its quotes is hard to read in one. */
#define REF(kind, name)    "{\"$ref\":\"#/components/" kind "/" name "\"}"
#define RESPONSE(name)     REF("responses", name)
#define SCHEMA(name)       REF("schemas", name)
#define JSON_CONTENT(name) "\"content\":{\"application/json\":{\"schema\":" SCHEMA(name) "}}"
#define REQUEST_ID_HEADER  "\"headers\":{\"X-Request-ID\":" REF("headers", "RequestId") "}"
#define ANSWER(text, name)                                                                         \
    "{\"description\":\"" text "\"," REQUEST_ID_HEADER "," JSON_CONTENT(name) "}"
#define PARAMETERS                                                                                 \
    "\"parameters\":[" REF("parameters", "RequestId") "," REF("parameters", "Traceparent") "]"
#define ERROR_ANSWER(text) ANSWER(text, "Error")
#define NUMBER(text)       "{\"type\":\"number\",\"description\":\"" text "\"}"
#define STRING_CONST(text) "{\"type\":\"string\",\"const\":\"" text "\"}"

#define ANALYZE                                                                                                                                                       \
    "\"/analyze\":{\"post\":{"                                                                                                                                        \
    "\"operationId\":\"analyze\",\"summary\":\"Sum and difference of two numbers\"," PARAMETERS                                                                       \
    ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{"                                                                                         \
    "\"schema\":" SCHEMA(                                                                                                                                             \
        "AnalyzeRequest") ",\"example\":{\"a\":10.5,\"b\":3.5}}}},"                                                                                                   \
                          "\"responses\":{"                                                                                                                           \
                          "\"200\":" ANSWER(                                                                                                                          \
                              "The result",                                                                                                                           \
                              "AnalyzeResponse") ","                                                                                                                  \
                                                 "\"400\":" RESPONSE(                                                                                                 \
                                                     "BadRequest") ","                                                                                                \
                                                                   "\"405\":" RESPONSE(                                                                               \
                                                                       "MethodNotAllowed") ","                                                                        \
                                                                                           "\"413"                                                                    \
                                                                                           "\""                                                                       \
                                                                                           ":" ERROR_ANSWER(                                                          \
                                                                                               "T"                                                                    \
                                                                                               "h"                                                                    \
                                                                                               "e"                                                                    \
                                                                                               " "                                                                    \
                                                                                               "b"                                                                    \
                                                                                               "o"                                                                    \
                                                                                               "d"                                                                    \
                                                                                               "y"                                                                    \
                                                                                               " "                                                                    \
                                                                                               "i"                                                                    \
                                                                                               "s"                                                                    \
                                                                                               " "                                                                    \
                                                                                               "l"                                                                    \
                                                                                               "o"                                                                    \
                                                                                               "n"                                                                    \
                                                                                               "g"                                                                    \
                                                                                               "e"                                                                    \
                                                                                               "r"                                                                    \
                                                                                               " "                                                                    \
                                                                                               "t"                                                                    \
                                                                                               "h"                                                                    \
                                                                                               "a"                                                                    \
                                                                                               "n"                                                                    \
                                                                                               " "                                                                    \
                                                                                               "M"                                                                    \
                                                                                               "A"                                                                    \
                                                                                               "X"                                                                    \
                                                                                               "_"                                                                    \
                                                                                               "B"                                                                    \
                                                                                               "O"                                                                    \
                                                                                               "D"                                                                    \
                                                                                               "Y"                                                                    \
                                                                                               "_"                                                                    \
                                                                                               "B"                                                                    \
                                                                                               "Y"                                                                    \
                                                                                               "T"                                                                    \
                                                                                               "E"                                                                    \
                                                                                               "S") ","                                                               \
                                                                                                    "\"415\":" ERROR_ANSWER(                                          \
                                                                                                        "The Content-Type is not JSON") ","                           \
                                                                                                                                        "\"422\":" ANSWER(            \
                                                                                                                                            "The input is not valid", \
                                                                                                                                            "ValidationFailure") "}}}"

#define HEALTHZ                                                                                    \
    "\"/healthz\":{\"get\":{"                                                                      \
    "\"operationId\":\"healthz\",\"summary\":\"Whether an analyze process answers\","              \
    "\"responses\":{\"200\":" ANSWER("It does",                                                    \
                                     "Health") ","                                                 \
                                               "\"405\":" RESPONSE("MethodNotAllowed") "}}}"

#define READYZ                                                                                     \
    "\"/readyz\":{\"get\":{"                                                                       \
    "\"operationId\":\"readyz\",\"summary\":\"Whether metrics file and spool can be written\","    \
    "\"responses\":{\"200\":" ANSWER(                                                              \
        "They can",                                                                                \
        "Readiness") ","                                                                           \
                     "\"405\":" RESPONSE(                                                          \
                         "MethodNotAllowed") ","                                                   \
                                             "\"503\":" ANSWER(                                    \
                                                 "They can't; requests are answered all the same", \
                                                 "Unavailable") "}}}"

#define METRICS                                                                                    \
    "\"/metrics\":{\"get\":{"                                                                      \
    "\"operationId\":\"metrics\",\"summary\":\"Metrics for Prometheus, from the agent\","          \
    "\"responses\":{\"200\":{\"description\":\"Text 0.0.4, or OpenMetrics 1.0 where the Accept "   \
    "header prefers it\",\"content\":{\"text/plain\":{\"schema\":{\"type\":\"string\"}},"          \
    "\"application/openmetrics-text\":{\"schema\":{\"type\":\"string\"}}}},"                       \
    "\"405\":" RESPONSE("MethodNotAllowed") ","                                                    \
                                            "\"503\":" ERROR_ANSWER(                               \
                                                "The agent can't be reached") "}}}"

#define DOCS                                                                                       \
    "\"/docs\":{\"get\":{"                                                                         \
    "\"operationId\":\"docs\",\"summary\":\"This document in Swagger UI\","                        \
    "\"responses\":{\"200\":{\"description\":\"The page\"," REQUEST_ID_HEADER                      \
    ",\"content\":{\"text/html\":{\"schema\":{\"type\":\"string\"}}}},"                            \
    "\"405\":" RESPONSE("MethodNotAllowed") "}}}"

#define OPENAPI                                                                                    \
    "\"/openapi.json\":{\"get\":{"                                                                 \
    "\"operationId\":\"openapi\",\"summary\":\"This document\","                                   \
    "\"responses\":{\"200\":{\"description\":\"OpenAPI 3.1\"," REQUEST_ID_HEADER                   \
    ",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}},"                     \
    "\"405\":" RESPONSE("MethodNotAllowed") "}}}"

#define COMMON_COMPONENTS                                                                          \
    "\"headers\":{\"RequestId\":{\"description\":\"The request's own id if it is valid, else a "   \
    "new UUID; also in logs and spans\",\"schema\":{\"type\":\"string\",\"minLength\":1,"          \
    "\"maxLength\":128}},"                                                                         \
    "\"Allow\":{\"description\":\"The method that is allowed\",\"schema\":{\"type\":\"string\"}}}" \
    ",\"parameters\":{"                                                                            \
    "\"RequestId\":{\"name\":\"X-Request-ID\",\"in\":\"header\",\"required\":false,"               \
    "\"description\":\"Taken over into answer, logs and spans\",\"schema\":{\"type\":\"string\","  \
    "\"pattern\":\"^[A-Za-z0-9._:/+=@-]{1,128}$\"}},"                                              \
    "\"Traceparent\":{\"name\":\"traceparent\",\"in\":\"header\",\"required\":false,"              \
    "\"description\":\"W3C Trace Context: the trace to continue\","                                \
    "\"schema\":{\"type\":\"string\"}}},"                                                          \
    "\"responses\":{"                                                                              \
    "\"BadRequest\":" ERROR_ANSWER(                                                                \
        "The body is shorter than its Content-Length") ","                                         \
                                                       "\"MethodNotAllowed\":{\"description\":"    \
                                                       "\"Another method than the one in Allow\"," \
                                                       "\"headers\":{\"X-Request-ID\":" REF(       \
                                                           "headers", "RequestId") ",\"Allow\""    \
                                                                                   ":" REF("heade" \
                                                                                           "rs",   \
                                                                                           "Allo"  \
                                                                                           "w") "}," JSON_CONTENT("Error") "}}"

#define SCHEMAS                                                                                        \
    "\"schemas\":{"                                                                                    \
    "\"AnalyzeRequest\":{\"type\":\"object\",\"required\":[\"a\",\"b\"],\"properties\":{"              \
    "\"a\":" NUMBER("First operand") ",\"b\":" NUMBER(                                                 \
        "Second operand") "}},"                                                                        \
                          "\"AnalyzeResponse\":{\"type\":\"object\",\"required\":[\"sum\","            \
                          "\"difference\"],"                                                           \
                          "\"properties\":{\"sum\":" NUMBER("a + b") ",\"difference\":" NUMBER(        \
                              "a - b") "}},"                                                           \
                                       "\"ValidationFailure\":{\"type\":\"object\",\"required\":["     \
                                       "\"detail\"],\"properties\":{"                                  \
                                       "\"detail\":{\"type\":\"array\",\"minItems\":1,"                \
                                       "\"items\":" SCHEMA(                                            \
                                           "ValidationError") "}}},"                                   \
                                                              "\"ValidationError\":{\"type\":"         \
                                                              "\"object\",\"required\":[\"type\","     \
                                                              "\"loc\",\"msg\",\"input\"],"            \
                                                              "\"properties\":{\"type\":{"             \
                                                              "\"type\":\"string\",\"enum\":["         \
                                                              "\"missing\",\"float_type\","            \
                                                              "\"finite_number\",\"json_"              \
                                                              "invalid\",\"model_attributes_"          \
                                                              "type\"]},"                              \
                                                              "\"loc\":{\"type\":\"array\","           \
                                                              "\"items\":{\"type\":[\"string\","       \
                                                              "\"integer\"]}},"                        \
                                                              "\"msg\":{\"type\":\"string\"},"         \
                                                              "\"input\":{}}},"                        \
                                                              "\"Error\":{\"type\":\"object\","        \
                                                              "\"required\":[\"detail\"],"             \
                                                              "\"properties\":{"                       \
                                                              "\"detail\":{\"type\":\"string\"}}}"     \
                                                              ","                                      \
                                                              "\"Health\":{\"type\":\"object\","       \
                                                              "\"required\":[\"status\"],"             \
                                                              "\"properties\":{"                       \
                                                              "\"status\":" STRING_CONST(              \
                                                                  "ok") "}},"                          \
                                                                        "\"Readiness\":{\"type\":"     \
                                                                        "\"object\",\"required\":"     \
                                                                        "[\"status\"],"                \
                                                                        "\"properties\":{"             \
                                                                        "\"status\""                   \
                                                                        ":" STRING_CONST(              \
                                                                            "ready") "}},"             \
                                                                                     "\"Unavailab"     \
                                                                                     "le\":{"          \
                                                                                     "\"type\":"       \
                                                                                     "\"object\","     \
                                                                                     "\"required"      \
                                                                                     "\":["            \
                                                                                     "\"status\","     \
                                                                                     "\"reason\","     \
                                                                                     "\"detail\"]"     \
                                                                                     ","               \
                                                                                     "\"propertie"     \
                                                                                     "s\":{"           \
                                                                                     "\"status\""      \
                                                                                     ":" STRING_CONST( \
                                                                                         "unavail"     \
                                                                                         "able") ","   \
                                                                                                 "\"reason\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}}"

const char openapi_document[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"MicroTrace\",\"version\":\"" MICROTRACE_VERSION
    "\",\"description\":\"A small service that shows logs, metrics and traces of short-lived "
    "processes behind a classic web server.\",\"license\":{\"name\":\"MIT\","
    "\"identifier\":\"MIT\"}},\"paths\":{" ANALYZE "," HEALTHZ "," READYZ "," METRICS "," DOCS
    "," OPENAPI "},\"components\":{" COMMON_COMPONENTS "," SCHEMAS "}}";
