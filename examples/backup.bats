#!/usr/bin/env bats
# Tests what the scripts backup.sh and upload.sh tell of themselves: PATH=.:$PATH bats backup.bats

setup() {
    export MICROTRACE_RUN_DIR=$BATS_TEST_TMPDIR/run MICROTRACE_SPOOL_DIR=$BATS_TEST_TMPDIR/spool
    mkdir "$MICROTRACE_RUN_DIR" "$MICROTRACE_SPOOL_DIR" "$BATS_TEST_TMPDIR/from" "$BATS_TEST_TMPDIR/to"
    echo hello >"$BATS_TEST_TMPDIR/from/file"
}

backup() {
    "$BATS_TEST_DIRNAME/backup.sh" "$@"
}

@test "a backup is one trace over both scripts, and counts its files" {
    backup "$BATS_TEST_TMPDIR/from" "$BATS_TEST_TMPDIR/to"
    trace=$(microtrace expect span --name backup --attr "backup.folder=$BATS_TEST_TMPDIR/from" | jq -r .trace_id)
    microtrace expect span --name tar --trace "$trace" --count 1
    microtrace expect log --message 'archive made' --field files=1 --trace "$trace"
    microtrace expect metric backup_files_total --eq 1
    microtrace expect metric 'program_runs_total{program="backup",outcome="success"}' --eq 1
    microtrace expect span --status error --none
}

@test "a backup that fails says so" {
    run backup "$BATS_TEST_TMPDIR/nowhere" "$BATS_TEST_TMPDIR/to"
    [ "$status" -ne 0 ]
    microtrace expect span --name backup --status error
    microtrace expect log --level ERROR --message 'backup failed'
    microtrace expect metric 'program_runs_total{program="backup",outcome="failure"}' --eq 1
}
