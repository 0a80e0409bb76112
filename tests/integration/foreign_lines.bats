#!/usr/bin/env bats
# Goal: a line of the spool in any form that OTLP's JSON has arrives as it is: each of its records
# once, under its own resource and scope, counted as a record, whatever stands beside it.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup && : >expected; }
teardown() { common_teardown; }

# foreign SIGNAL NAME COUNT [STYLE [BYTES]]: one line of so many records.
foreign() { python3 "$ROOT/tests/tools/otlp_lines.py" make "${4:-php}" "$1" "$2" 1 "$3" "${5:-0}"; }
as_it_was() { python3 "$ROOT/tests/tools/otlp_lines.py" check dump; }
delivered_is() { outcome_is "$1" delivered "$2"; }
backlog_is_all_of() { backlog_is "$1" "$2"; }

# all_styles SIGNAL: 48 records, in lines of every style, into the active file.
all_styles() {
    local style
    for style in php python java collector odd bare; do
        foreign "$1" "$1-$style" 8 "$style" >>"spool/$1.jsonl"
    done
}

@test "every form of a line, of all signals: as it is, once, each record counted" {
    local signal
    start_sink
    for signal in traces logs metrics; do all_styles "$signal"; done
    start_agent
    for signal in traces logs metrics; do
        until_true 30 delivered_is "$signal" 48
        books "$signal" 48
    done
    as_it_was
}

@test "in protobuf as well" {
    local signal
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)
    for signal in traces logs metrics; do all_styles "$signal"; done
    start_agent
    for signal in traces logs metrics; do until_true 30 delivered_is "$signal" 48; done
    [ "$(wc -l <dump)" = 144 ]
    [ "$(outcome traces quarantined)$(outcome logs quarantined)$(outcome metrics quarantined)" = 000 ]
}

@test "the lists around the records in snake_case" {
    local signal style
    start_sink
    for signal in traces logs metrics; do
        for style in php java collector odd; do
            foreign "$signal" "$signal-$style" 8 "$style" |
                sed -E 's/"(resource|scope)(Spans|Logs|Metrics)"/"\1_\L\2"/g; s/"logRecords"/"log_records"/g' \
                    >>"spool/$signal.jsonl"
        done
        grep -q '"resource_' "spool/$signal.jsonl"
    done
    start_agent
    for signal in traces logs metrics; do
        until_true 30 delivered_is "$signal" 32
        books "$signal" 32
    done
    as_it_was
}

@test "among our own lines, which none of them swallows" {
    start_sink
    "$TOOL" spool traces a 3 >>written
    # What the end of a line alone would take for one of ours.
    printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"00000000000000aa"}]}]}],"ext":[1]}\n' \
        >>spool/traces.jsonl
    "$TOOL" spool traces b 3 >>written
    printf '{"x":{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]},"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"00000000000000bb"}]}]}]}\n' \
        >>spool/traces.jsonl
    "$TOOL" spool traces c 3 >>written
    start_agent
    until_true 30 delivered_is traces 11
    books traces 11
    [ "$(grep -c '"id": "00000000000000' dump)" = 2 ]
    grep -v '"id": "00000000000000' dump >ours
    mv ours dump
    everything_arrived --duplicate-requests 0
}

@test "records wait, are counted and are dropped one by one, too" {
    AGENT_PORT=$(free_port) SINK_PORT=$(free_port)
    foreign traces a 78 >>spool/traces.jsonl
    foreign logs b 30 python >>spool/logs.jsonl
    foreign metrics c 5 >>spool/metrics.jsonl
    start_agent
    until_true 20 backlog_is_all_of traces 78
    until_true 20 backlog_is_all_of logs 30
    until_true 20 backlog_is_all_of metrics 5
    books traces 78
    MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        "$BUILD/bin/microtrace" spool verify >verified
    grep -q '^traces: 1 files, 78 good records, 0 wrong$' verified
    start_sink
    until_true 60 delivered_is traces 78
    until_true 60 delivered_is logs 30
    until_true 60 delivered_is metrics 5
    books traces 78
    as_it_was
}

@test "a record that is refused takes none of its line with it" {
    start_sink
    sink_answers '{"poison":"a-57\""}'
    foreign traces a 200 collector >>spool/traces.jsonl
    foreign traces b 3 >>spool/traces.jsonl
    start_agent
    until_true 60 delivered_is traces 202
    until_true 20 outcome_is traces quarantined 1
    books traces 203
    # What is kept is a line that can be put back.
    python3 - <<'END'
import json
with open("spool/traces.quarantine.jsonl", encoding="utf-8") as file:
    kept = json.loads(file.read())
line = json.loads(kept["record"])
assert kept["reason"] == "refused", kept
element = line["resourceSpans"][0]
assert element["scopeSpans"][0]["spans"][0]["name"] == "a-57"
assert element["resource"]["attributes"][0]["value"]["stringValue"] == "shop 0"
END
    grep -v '"a-57"' expected >others
    mv others expected
    as_it_was
}

@test "rejected records are counted as the endpoint counts them" {
    start_sink
    sink_answers '{"mode":"partial","rejected":7,"count":1}'
    foreign metrics m 20 >>spool/metrics.jsonl
    start_agent
    until_true 20 outcome_is metrics rejected 7
    until_true 20 delivered_is metrics 13
    books metrics 20
}

@test "lines of 338 kB and 4 MB pass, one of 12 MB is sent in parts, a single record may have 3 MB" {
    start_sink
    foreign traces batch 512 bare 500 >>spool/traces.jsonl
    foreign traces large 4000 bare 800 >>spool/traces.jsonl
    foreign traces huge 12000 bare 800 >>spool/traces.jsonl
    foreign traces one 1 bare 3000000 >>spool/traces.jsonl
    [ "$(wc -L <spool/traces.jsonl)" -gt 11000000 ]
    foreign logs line 2000 python 500 >>spool/logs.jsonl
    SEGMENT=1000000
    start_agent
    until_true 90 delivered_is traces 16513
    until_true 30 delivered_is logs 2000
    books traces 16513
    [ "$(outcome traces quarantined)" = 0 ]
    as_it_was
    # No request is much larger than what the agent sends of its own lines.
    [ "$(sink_number signals.traces.requests)" -gt 20 ]
}

@test "a resource or a scope may be as long as 2 MB, before a small record or behind it" {
    start_sink
    # Each longer than the one before, so that it needs room of its own.
    python3 - >spool/traces.jsonl <<'END'
resource = '"resource":{"attributes":[{"key":"k","value":{"stringValue":"%s"}}]}'
scope = '"scope":{"name":"%s"}'
spans = '"spans":[{"name":"n"}]'
for n, form in enumerate(('{%s,"scopeSpans":[{%s}]}' % (resource, spans),
                          '{"scopeSpans":[{%s}],%s}' % (spans, resource),
                          '{"scopeSpans":[{%s,%s}]}' % (scope, spans),
                          '{"scopeSpans":[{%s,%s}]}' % (spans, scope)), 1):
    print('{"resourceSpans":[%s]}' % (form % ("x" * n * 500000)))
END
    start_agent
    until_true 30 delivered_is traces 4
    books traces 4
    [ "$(jq '.resource.k // .scope.name | length' dump | xargs)" = '500000 1000000 1500000 2000000' ]
}

@test "beyond 4 MiB a record, and beyond 16 MiB a line, is set aside; its neighbours arrive" {
    start_sink
    foreign traces a 1 >>spool/traces.jsonl
    {
        printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"'
        head -c 5000000 /dev/zero | tr '\0' x
        printf '"},{"name":"beside","spanId":"00000000000000cc"}]}]}]}\n{"resourceSpans":[{"x":"'
        head -c 17000000 /dev/zero | tr '\0' x
        printf '"}]}\n'
    } >>spool/traces.jsonl
    foreign traces b 1 >>spool/traces.jsonl
    start_agent
    until_true 60 delivered_is traces 3
    until_true 60 outcome_is traces quarantined 2
    books traces 5
    [ "$(cat spool/traces.quarantine*.jsonl | grep -c '"reason":"oversize"')" = 2 ]
    grep -q '"id": "00000000000000cc"' dump
}

@test "killed inside a line: the records that were settled are not sent again" {
    local kills=0 before=0 now
    start_sink
    foreign traces a 12000 bare 800 >>spool/traces.jsonl
    foreign traces b 100 >>spool/traces.jsonl
    sink_answers '{"mode":"slow","count":0}'
    start_agent
    while [ $kills -lt 4 ]; do
        until_true 60 sh -c "[ \$(wc -l <dump) -gt $before ]"
        kill_agent 9
        kills=$((kills + 1))
        now=$(wc -l <dump)
        before=$((now + 500))
        start_agent
    done
    sink_answers '{"mode":"accept"}'
    until_true 90 nothing_waits traces
    # A kill can cost the request that was under way, and no other.
    python3 - "$kills" <<'END'
import json, sys
first, again = {}, set()
with open("dump", encoding="utf-8") as file:
    for line in file:
        entry = json.loads(line)
        name = entry["record"]["name"]
        if name in first:
            again.add(entry["request"])
        first.setdefault(name, entry["request"])
print(len(first), "records,", len(again), "requests brought records again")
assert len(first) == 12100 and len(again) <= int(sys.argv[1])
END
}

@test "what is no JSON is set aside, and what looks like a line of ours cuts no other" {
    start_sink
    foreign traces a 2 >>spool/traces.jsonl
    {
        printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{},,{}]}]}]}\n'
        printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"} {"name":"y"}]}]}]}\n'
        printf '{"resourceSpans":{"a":1}}\n{"resourceLogs":[{}]}\n'
        printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{]}]}]}]}\n'
        printf '{"resourceSpans":[]}\n \r\n{"resourceSpans":[{"resource":{},"scopeSpans":[]}]}\n'
    } >>spool/traces.jsonl
    foreign traces b 2 >>spool/traces.jsonl
    start_agent
    until_true 30 delivered_is traces 4
    until_true 30 outcome_is traces quarantined 5
    books traces 9
    as_it_was
}
