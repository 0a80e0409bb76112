# shellcheck shell=bash
# A sign of life from steps that take minutes: what they do, and a line at least each 30 seconds with the
# end of their log. All of it goes to standard error. PROGRESS_SECONDS is another interval.

progress_watcher=''

# progress_begin WHAT LOG: until progress_end, or the end of this process.
progress_begin() {
    local what=$1 log=$2 process=$BASHPID
    printf '%s\n' "$what" >&2
    (
        trap - EXIT HUP INT TERM
        set +e
        began=$SECONDS next=${PROGRESS_SECONDS:-30}
        # By short sleeps: the one that is left over when this ends is over soon.
        while sleep 0.5 && kill -0 "$process" 2>/dev/null; do
            [ $((SECONDS - began)) -ge "$next" ] || continue
            next=$((SECONDS - began + ${PROGRESS_SECONDS:-30}))
            last=$(tail -c 4096 "$log" 2>/dev/null | tr '\r' '\n' | sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e 's/[^[:print:]]//g' |
                grep -v '^ *$' | tail -n 1 | cut -c1-120)
            printf '%s: %d s so far%s\n' "$what" $((SECONDS - began)) "${last:+: $last}"
        done
    ) >&2 </dev/null &
    progress_watcher=$!
}

progress_end() {
    [ -n "$progress_watcher" ] || return 0
    kill "$progress_watcher" 2>/dev/null || true
    wait "$progress_watcher" 2>/dev/null || true
    progress_watcher=''
}

# with_progress WHAT LOG COMMAND...: runs it with all its output in LOG; its exit status.
with_progress() {
    local log=$2 status=0
    : >"$log"
    progress_begin "$1" "$log"
    shift 2
    "$@" >>"$log" 2>&1 || status=$?
    progress_end
    return "$status"
}

# lock_with_progress DESCRIPTOR WHAT: waits for a lock that another run may hold for long.
lock_with_progress() {
    flock --nonblock "$1" && return
    progress_begin "$2: another run is at it" /dev/null
    flock "$1"
    progress_end
}
