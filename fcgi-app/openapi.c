#include "fcgi-app/openapi.h"

#include <string.h>

/* Here ' stands for ", which alone keeps JSON readable in C. No text holds an apostrophe. */
static const char document[] =
    "{'openapi':'3.1.0',"
    "'info':{'title':'MicroTrace','version':'" MICROTRACE_VERSION "',"
    "'description':'A small service that shows logs, metrics and traces of short-lived processes "
    "behind a classic web server.',"
    "'license':{'name':'MIT','identifier':'MIT'}},"
    "'paths':{"

    "'/analyze':{'post':{'operationId':'analyze',"
    "'summary':'Sum and difference of two numbers',"
    "'parameters':[{'$ref':'#/components/parameters/RequestId'},"
    "{'$ref':'#/components/parameters/Traceparent'}],"
    "'requestBody':{'required':true,'content':{'application/json':{"
    "'schema':{'$ref':'#/components/schemas/AnalyzeRequest'},"
    "'example':{'a':10.5,'b':3.5}}}},"
    "'responses':{"
    "'200':{'$ref':'#/components/responses/Analysis'},"
    "'400':{'$ref':'#/components/responses/BadRequest'},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'},"
    "'413':{'$ref':'#/components/responses/BodyTooLarge'},"
    "'415':{'$ref':'#/components/responses/UnsupportedMediaType'},"
    "'422':{'$ref':'#/components/responses/Invalid'}}}},"

    "'/healthz':{'get':{'operationId':'healthz',"
    "'summary':'Whether an analyze process answers',"
    "'responses':{"
    "'200':{'$ref':'#/components/responses/Healthy'},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'}}}},"

    "'/readyz':{'get':{'operationId':'readyz',"
    "'summary':'Whether metrics file and spool can be written',"
    "'responses':{"
    "'200':{'$ref':'#/components/responses/Ready'},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'},"
    "'503':{'$ref':'#/components/responses/NotReady'}}}},"

    "'/metrics':{'get':{'operationId':'metrics',"
    "'summary':'Metrics for Prometheus, from the agent',"
    "'responses':{"
    "'200':{'description':'Text 0.0.4, or OpenMetrics 1.0 where the Accept header prefers it',"
    "'content':{'text/plain':{'schema':{'type':'string'}},"
    "'application/openmetrics-text':{'schema':{'type':'string'}}}},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'},"
    "'503':{'$ref':'#/components/responses/AgentUnreachable'}}}},"

    "'/docs':{'get':{'operationId':'docs',"
    "'summary':'This document in Swagger UI',"
    "'responses':{"
    "'200':{'description':'The page',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'text/html':{'schema':{'type':'string'}}}},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'}}}},"

    "'/openapi.json':{'get':{'operationId':'openapi',"
    "'summary':'This document',"
    "'responses':{"
    "'200':{'description':'OpenAPI 3.1',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'type':'object'}}}},"
    "'405':{'$ref':'#/components/responses/MethodNotAllowed'}}}}},"

    "'components':{"
    "'headers':{"
    "'RequestId':{'description':'The id of the request if it was valid, else a new UUID; also in "
    "logs and spans','schema':{'type':'string','minLength':1,'maxLength':128}},"
    "'Allow':{'description':'The method that is allowed','schema':{'type':'string'}}},"

    "'parameters':{"
    "'RequestId':{'name':'X-Request-ID','in':'header','required':false,"
    "'description':'Taken over into answer, logs and spans',"
    "'schema':{'type':'string','pattern':'^[A-Za-z0-9._:/+=@-]{1,128}$'}},"
    "'Traceparent':{'name':'traceparent','in':'header','required':false,"
    "'description':'W3C Trace Context: the trace to continue','schema':{'type':'string'}}},"

    "'responses':{"
    "'Analysis':{'description':'The result',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/AnalyzeResponse'}}}},"
    "'BadRequest':{'description':'The body is shorter than its Content-Length',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Error'}}}},"
    "'BodyTooLarge':{'description':'The body is longer than MAX_BODY_BYTES',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Error'}}}},"
    "'UnsupportedMediaType':{'description':'The Content-Type is not JSON',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Error'}}}},"
    "'Invalid':{'description':'The input is not valid',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/ValidationFailure'}}}},"
    "'Healthy':{'description':'One does',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Health'}}}},"
    "'Ready':{'description':'They can be written',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Readiness'}}}},"
    "'NotReady':{'description':'They can not; requests are answered all the same',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Unavailable'}}}},"
    "'AgentUnreachable':{'description':'The agent can not be reached',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Error'}}}},"
    "'MethodNotAllowed':{'description':'Another method than the one in Allow',"
    "'headers':{'X-Request-ID':{'$ref':'#/components/headers/RequestId'},"
    "'Allow':{'$ref':'#/components/headers/Allow'}},"
    "'content':{'application/json':{'schema':{'$ref':'#/components/schemas/Error'}}}}},"

    "'schemas':{"
    "'AnalyzeRequest':{'type':'object','required':['a','b'],'properties':{"
    "'a':{'type':'number','description':'First operand'},"
    "'b':{'type':'number','description':'Second operand'}}},"
    "'AnalyzeResponse':{'type':'object','required':['sum','difference'],'properties':{"
    "'sum':{'type':'number','description':'a + b'},"
    "'difference':{'type':'number','description':'a - b'}}},"
    "'ValidationFailure':{'type':'object','required':['detail'],'properties':{"
    "'detail':{'type':'array','minItems':1,"
    "'items':{'$ref':'#/components/schemas/ValidationError'}}}},"
    "'ValidationError':{'type':'object','required':['type','loc','msg','input'],'properties':{"
    "'type':{'type':'string','enum':['missing','float_type','finite_number','json_invalid',"
    "'model_attributes_type']},"
    "'loc':{'type':'array','items':{'type':['string','integer']}},"
    "'msg':{'type':'string'},'input':{}}},"
    "'Error':{'type':'object','required':['detail'],'properties':{'detail':{'type':'string'}}},"
    "'Health':{'type':'object','required':['status'],'properties':{"
    "'status':{'type':'string','const':'ok'}}},"
    "'Readiness':{'type':'object','required':['status'],'properties':{"
    "'status':{'type':'string','const':'ready'}}},"
    "'Unavailable':{'type':'object','required':['status','reason','detail'],'properties':{"
    "'status':{'type':'string','const':'unavailable'},"
    "'reason':{'type':'string'},'detail':{'type':'string'}}}}}}";

void openapi_write(struct json_writer *w)
{
    const char *at = document;

    for (;;) {
        size_t length = strcspn(at, "'");

        json_writer_bytes(w, at, length);
        if (at[length] == '\0')
            return;
        json_writer_bytes(w, "\"", 1);
        at += length + 1;
    }
}
