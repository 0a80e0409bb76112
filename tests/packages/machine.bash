# Machines with a systemd that really runs: a Debian root file system in namespaces of its own. Its
# network is a loopback interface. Sourced after tests/fresh-machine/root.bash.
# shellcheck shell=bash

holder=''  # the process that ends the machine when it ends
manager='' # the machine's first process, by its number out here
group=''   # the machine's part of the tree of cgroups

# root_with SUITE NAME PACKAGE...: makes a root of SUITE with these packages, once, and unpacks it.
root_with() {
    local suite=$1 name
    name=$2-$(printf '%s\n' "${@:3}" | sha256sum | cut -c1-12)-$suite
    if [ ! -s "$cache/fresh-$name.tar" ]; then
        root_unpack "$suite"
        # No server is started in there.
        printf '#!/bin/sh\nexit 101\n' >"$machine/usr/sbin/policy-rc.d"
        chmod +x "$machine/usr/sbin/policy-rc.d"
        # shellcheck disable=SC2016 # for the shell in there
        if ! with_progress "making a $suite root file system with $2 (once)" "$cache/$2-$suite.log" "${inside[@]}" sh -ec \
            'apt-get -q update && apt-get -qy install --no-install-recommends "$@" && apt-get clean' - "${@:3}"; then
            tail -n 20 "$cache/$2-$suite.log"
            say "the packages can't be installed: $cache/$2-$suite.log"
            return 1
        fi
        rm "$machine/usr/sbin/policy-rc.d"
        rm -f "$cache/fresh-$2"-*-"$suite.tar"
        tar -C "$machine" --one-file-system -cf "$cache/$name.$$" .
        mv "$cache/$name.$$" "$cache/fresh-$name.tar"
        root_remove
    fi
    root_unpack "$name"
}

# on_machine COMMAND...: runs it there, as root, with the environment of a login.
on_machine() {
    nsenter --target "$manager" --mount --uts --ipc --net --pid --cgroup \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        timeout 300 "$@"
}

# within SECONDS COMMAND...: tries it until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

has_booted() {
    local state
    kill -0 "$holder" 2>/dev/null || return 1
    # Before it is there, commands see the machine outside, which may run one, too.
    [ "$(cat "/proc/$manager/comm" 2>/dev/null)" = systemd ] || return 1
    state=$(on_machine systemctl is-system-running 2>/dev/null) || true
    [ "$state" = running ] || [ "$state" = degraded ]
}

# boot: starts systemd in $machine, and returns when it has started everything.
boot() {
    local tree own
    tree=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    group=${tree:?cgroup2 is not mounted}${own%/}/${machine##*/}
    mkdir "$group"
    # The mount namespace is private, so no mount of the machine is ever seen out here.
    bash -c 'echo $$ >"$1/cgroup.procs"; exec unshare --mount --uts --ipc --net --pid --cgroup \
        --fork --kill-child "$2" "$3"' - "$group" "$root/tests/packages/init" "$machine" \
        >>"$machine.log" 2>&1 </dev/null &
    holder=$!
    within 60 has_child || { cat "$machine.log"; return 1; }
    within 300 has_booted
}

has_child() {
    # No newline ends it.
    read -r manager _ 2>/dev/null <"/proc/$holder/task/$holder/children" || [ -n "$manager" ]
}

has_ended() {
    ! kill -0 "$holder" 2>/dev/null
}

# remove_group: its members are gone, or are just going.
remove_group() {
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -d "$group" ]
}

# shut_down: as the administrator does it; then nothing of it is left.
shut_down() {
    on_machine systemctl --no-block reboot || true
    within 90 has_ended || say "systemd does not end; it is killed"
    machine_kill
}

machine_kill() {
    [ -z "$manager" ] || kill -KILL "$manager" 2>/dev/null || true
    [ -z "$holder" ] || { kill -KILL "$holder" 2>/dev/null || true; wait "$holder" 2>/dev/null || true; }
    holder='' manager=''
    [ -z "$group" ] || within 10 remove_group || say "$group can't be removed"
    group=''
}

machine_finish() {
    machine_kill
    [ -z "$machine" ] || rm -f "$machine.log"
    root_remove
}
