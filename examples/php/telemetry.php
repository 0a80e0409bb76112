<?php
/*
 * A page behind microtrace-proxy: its requests are counted, traced and logged without a line of its
 * own. What it does itself here is to take others into its trace: a service that it calls, and
 * programs that it starts.
 *
 * SERVICE_URL names the service (an HTTP address that takes {"a": ..., "b": ...}).
 */

/* Programs find the trace in their environment: `microtrace log`, `microtrace run`, any OpenTelemetry SDK. */
foreach (['TRACEPARENT', 'TRACESTATE'] as $name) {
    putenv(isset($_SERVER[$name]) ? "$name={$_SERVER[$name]}" : $name);
}

/* POSTs JSON as a part of this request's trace. Returns the answer's body, or null. */
function call_service(string $url, array $data): ?string
{
    $headers = "Content-Type: application/json\r\n";
    foreach (['traceparent', 'tracestate', 'x-request-id'] as $name) {
        $value = $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '';
        if ($value !== '') {
            $headers .= "$name: $value\r\n";
        }
    }
    $http = ['method' => 'POST', 'header' => $headers, 'content' => json_encode($data), 'timeout' => 5];
    $answer = @file_get_contents($url, false, stream_context_create(['http' => $http]));
    return $answer === false ? null : $answer;
}

/* Goes to PHP-FPM's standard error, and so becomes a log line with this request's ids. */
error_log('asking the service');

$answer = call_service(getenv('SERVICE_URL') ?: '', ['a' => 10.5, 'b' => 3.5]);
if ($answer === null) {
    http_response_code(502);
}

$microtrace = getenv('MICROTRACE') ?: 'microtrace';
exec(escapeshellarg($microtrace) . ' log --name shop.page ' . escapeshellarg('the service has answered') . ' 2>&1');

header('Content-Type: application/json');
echo $answer ?? '{"detail": "the service has not answered"}';
