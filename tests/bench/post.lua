-- wrk's script: the README's request, or a GET where METHOD in the environment says so. PAUSE_MS in
-- the environment makes each connection wait that long between two requests. One line starting with
-- RESULT sums up: requests, microseconds, errors, and the percentiles 50, 90, 99 and 99.9 of the
-- latency in microseconds.
wrk.method = "POST"
wrk.body = '{"a": 10.5, "b": 3.5}'
wrk.headers["Content-Type"] = "application/json"
if os.getenv("METHOD") == "GET" then
    wrk.method, wrk.body, wrk.headers = "GET", nil, {}
end

local pause = tonumber(os.getenv("PAUSE_MS") or "0")
if pause > 0 then
    function delay()
        return pause
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %.1f %.1f %.1f %.1f\n", summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(90), latency:percentile(99),
        latency:percentile(99.9)))
end
