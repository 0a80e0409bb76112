#!/usr/bin/env bats
# Goal: what docs/shell.md and the examples show works as it stands there, and what otel-cli's README
# documents works here as the table in docs/shell.md says.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() {
    new_spool
    export PATH=$BIN:$PATH HOME=$DIR/home
    mkdir -p "$HOME/bin" "$HOME/data" "$HOME/backups"
    cd "$HOME" || return 1
}

teardown() {
    cd /
    stop_background
    rm -rf "$DIR"
}

mt() { microtrace "$@"; }

value() {
    mt metrics --prometheus | SERIES=$1 awk 'index($0, ENVIRON["SERIES"] " ") == 1 { print $NF }'
}

# tree: each span as "name < name of its parent", sorted.
tree() {
    spans | jq -sr '(map({(.spanId): .name}) | add) as $names |
        .[] | "\(.name) < \($names[.parentSpanId // ""] // "")"' | sort -u
}

# blocks LANGUAGE: writes the blocks of docs/shell.md in that language to block.1, block.2, ...
blocks() {
    awk -v language="$1" '$0 == "```" language { n++; on = 1; next } /^```/ { on = 0 }
        on { print >("block." n) }' "$ROOT/docs/shell.md"
}

# cron_lines FILE: runs each line as cron does: by sh, with little in its environment, in $HOME.
cron_lines() {
    local line settings=()
    while IFS= read -r line; do
        case $line in
        '' | '#'*) ;;
        [A-Z]*=*) settings+=("$line") ;;
        *)
            [[ $line =~ ^[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+(.*)$ ]]
            env -i HOME="$HOME" SHELL=/bin/sh MICROTRACE_RUN_DIR="$MICROTRACE_RUN_DIR" \
                MICROTRACE_SPOOL_DIR="$MICROTRACE_SPOOL_DIR" "${settings[@]}" PATH="$PATH" \
                setsid -w /bin/sh -c "${BASH_REMATCH[1]//\\%/%}" </dev/null || return 1
            ;;
        esac
    done <"$1"
}

@test "docs/shell.md: every bash block runs" {
    local block count=0
    blocks bash
    for block in block.*; do
        run -0 bash -eu "./$block"
        count=$((count + 1))
    done
    [ "$count" -ge 4 ]
    [ "$(value 'orders_imported_total{shop="north"}')" = 17.0 ]
    [ "$(value queue_length)" = 3.0 ]
    [ "$(value report_lines)" = 10.0 ]
    tree >tree
    grep -qx 'collect < report' tree
    grep -qx 'sort < report' tree
    grep -qx 'step < nightly job' tree
    grep -qx 'wait for the lock < ' tree
    [ "$(logs '.message == "begins"' | jq -r .span_id)" = "$(spans | jq -r 'select(.name == "nightly job").spanId')" ]
}

@test "docs/shell.md: the crontab lines and the Makefile" {
    blocks crontab
    echo x >data/file
    cron_lines block.1
    [ -s home.tar.gz ]
    [ "$(value 'program_runs_total{program="tar",outcome="success"}')" = 1.0 ]
    [ "$(value 'program_runs_total{program="queue",outcome="success"}')" = 1.0 ]
    spans | expect_json '.resource.attributes[] | select(.key == "service.name").value.stringValue == "nightly"'
    rm block.*
    blocks make
    mt run --name make -- make -f block.1
    [ "$(cat greeting)" = hello ]
    tree | grep -qx 'greeting < make'
}

@test "examples/backup.sh and upload.sh: one trace over two scripts, also when a step fails" {
    cp "$ROOT"/examples/*.sh bin
    echo x >data/file
    bin/backup.sh data backups
    tar -tzf backups/data.tar.gz | grep -q ./file
    [ "$(tree)" = $'backup < \ncompare < backup\ncopy < backup\ntar < backup' ]
    [ "$(spans | jq -r .traceId | sort -u | wc -l)" -eq 1 ]
    [ "$(value backup_files_total)" = 1.0 ]
    [ "$(value 'program_runs_total{program="backup",outcome="success"}')" = 1.0 ]
    [ "$(value upload_check_seconds_count)" = 1 ]
    logs | expect_json '.message == "archive made" and .trace_id != "" and .files == "1"'
    run -1 bin/backup.sh data "$DIR/nowhere"
    [ "$(value 'program_runs_total{program="backup",outcome="failure"}')" = 1.0 ]
    logs '.levelname == "ERROR"' | expect_json '.message == "backup failed"'
    # By hand it is a trace of its own; without an instance it works all the same.
    MICROTRACE_RUN_DIR=$DIR/none MICROTRACE_SPOOL_DIR=$DIR/none bin/upload.sh data/file backups 2>/dev/null
    [ -e backups/file ]
}

@test "examples/crontab: each line" {
    cp "$ROOT"/examples/*.sh bin
    printf '#!/bin/sh\necho worked\n' >bin/work-queue
    chmod +x bin/work-queue
    cron_lines "$ROOT/examples/crontab"
    [ "$(value 'program_runs_total{program="backup.sh",outcome="success"}')" = 1.0 ]
    [ "$(value reports_total)" = 1.0 ]
    grep -qxE '[0-9]{4}-[0-9]{2}-[0-9]{2}' report
    [ "$(logs '.message == "worked" and .program == "queue"' | wc -l)" -eq 1 ]
    tree | grep -qx 'backup < backup.sh'
}

@test "examples/traced.mk: a span for each recipe line" {
    cp "$ROOT/examples/traced.mk" .
    mt run --name make -- make -f traced.mk -j4
    [ "$(cat size.txt)" -eq 6 ]
    [ "$(tree)" = $'greeting.txt < make\nmake < \nsize.txt < make' ]
    [ "$(spans | jq -r 'select(.name == "size.txt").name' | wc -l)" -eq 2 ]
    [ "$(value 'built_total{target="size.txt"}')" = 1.0 ]
    printf '\nbad:\n\texit 3\n' >>traced.mk
    run -2 mt run --name make -- make -f traced.mk bad
    spans | tail -n 2 | head -n 1 | expect_json '.name == "bad" and .attrs."process.exit.code".intValue == "3"'
}

@test "what otel-cli documents: each row of the table" {
    local tp=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 row given holds out
    # The command, and what holds for the span that is written last.
    while IFS='|' read -r given holds; do
        [ -n "$given" ] || continue
        rm -f "$SPOOL"/traces.jsonl
        TP=$tp bash -c "$given" >out || [ $? -eq 7 ]
        spans | tail -n 1 | jq -e "$holds" >/dev/null || { echo "$given: not $holds:" && spans && return 1; }
    done <<'END'
OTEL_SERVICE_NAME=my-service microtrace run --name 'curl google' -- true|.name == "curl google" and .resource.attributes[0].value.stringValue == "my-service"
microtrace run sh -c 'exit 7'|.attrs."process.exit.code".intValue == "7" and .status.code == 2
microtrace run --name producer -- microtrace run --name consumer true|.name == "producer" and (.parentSpanId // "") == ""
TRACEPARENT=$TP microtrace run true|.traceId == "0af7651916cd43dd8448eb211c80319c" and .parentSpanId == "b7ad6b7169203331"
TRACEPARENT=$TP microtrace span s|.traceId == "0af7651916cd43dd8448eb211c80319c" and .parentSpanId == "b7ad6b7169203331"
TRACEPARENT=$TP microtrace span s --traceparent ''|.traceId != "0af7651916cd43dd8448eb211c80319c"
export TRACEPARENT=$TP; env -u TRACEPARENT microtrace run true|.traceId != "0af7651916cd43dd8448eb211c80319c"
microtrace span s --start 2021-03-24T07:28:05.12345Z --end 2021-03-24T07:30:08.0001Z|.startTimeUnixNano == "1616570885123450000" and .endTimeUnixNano == "1616571008000100000"
microtrace span s --start 1616620946 --end 1616620950.241980634|.startTimeUnixNano == "1616620946000000000" and .endTimeUnixNano == "1616620950241980634"
start=$(date --rfc-3339=ns); end=$(date +%s.%N); microtrace span s --start "$start" --end "$end"|(.endTimeUnixNano | tonumber) >= (.startTimeUnixNano | tonumber)
microtrace span s --kind server|.kind == 2
microtrace span s --kind client|.kind == 3
microtrace span s --status 'error:cancelled'|.status == {"code": 2, "message": "cancelled"}
microtrace span s --status ok|.status == {"code": 1}
microtrace span s --attr k=v --attr a=b,c|.attrs.k.stringValue == "v" and .attrs.a.stringValue == "b,c"
microtrace span s --attr number=1 --attr bool=true|.attrs.number.stringValue == "1" and .attrs.bool.stringValue == "true"
TRACEPARENT="$(microtrace span outer --print)"; export TRACEPARENT; microtrace span inner|.name == "inner" and .parentSpanId != null and .parentSpanId != ""
END
    # Nothing configured: nothing is recorded, and nothing fails.
    unset MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
    out=$(mt run --state "$DIR/none" -- sh -c 'exit 7' 2>&1) || [ $? -eq 7 ]
    [ "$(wc -l <<<"$out")" -eq 1 ]
}
