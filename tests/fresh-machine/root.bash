# Root file systems of fresh Debian machines (git, make and certificates on top), made once and kept in
# the user's cache as tarballs; each use works on a copy. For scripts of root, which set $root, the top of
# this tree, and say(), have tests/tools/progress.bash, and call root_remove when they end:
#
#     trap root_remove EXIT
#     root_unpack bookworm && "${inside[@]}" apt-get update
#
# shellcheck shell=bash

cache=${XDG_CACHE_HOME:-$HOME/.cache}/microtrace
# The copy that is in use, and a command to run others in it by: an array, since started in the background
# it is one process, which becomes the command. Each runs in a mount namespace of its own, where the copy
# is a mount (so tests in there can have mounts, too) with /proc and /dev; nothing is ever mounted outside.
machine='' inside=()
root_made='' tarball=''

# Ends what runs in the copy, and its mounts with it, and deletes it.
root_remove() {
    [ -z "$root_made" ] || rm -rf "$root_made"
    root_made=''
    [ -n "$machine" ] || return 0
    local link pid
    for link in /proc/[0-9]*/root; do
        if [ "$(readlink "$link" 2>/dev/null)" = "$machine" ]; then
            pid=${link#/proc/}
            kill -KILL "${pid%/root}" 2>/dev/null || true
        fi
    done
    # Never delete through a mount.
    if ! grep -q " ${machine}[/ ]" /proc/mounts; then
        # What was killed just now may be in the middle of a last write.
        rm -rf "${machine:?}" || { sleep 2; rm -rf "${machine:?}"; }
    fi
    machine=''
}

# root_make SUITE TARBALL
root_make() {
    local suite=$1 tarball=$2 mirror
    mkdir -p "$cache"
    root_made=$(mktemp -d "$cache/fresh.XXXXXX")
    mirror=$("$root/tests/tools/debian-mirror")
    if ! with_progress "making a $suite root file system (once)" "$cache/fresh.log" debootstrap --variant=minbase \
        --include=git,make,ca-certificates "$suite" "$root_made/root" ${mirror:+"$mirror"}; then
        tail -n 20 "$cache/fresh.log"
        say "debootstrap of $suite failed: $cache/fresh.log"
        exit 1
    fi
    tar -C "$root_made/root" -cf "$tarball.new" .
    mv "$tarball.new" "$tarball"
    rm -rf "$root_made"
    root_made=''
}

# root_have SUITE: makes the tarball where it is missing; $tarball is its path.
root_have() {
    tarball=$cache/fresh-$1.tar
    [ -s "$tarball" ] || root_make "$1" "$tarball"
}

# root_unpack SUITE: a fresh copy in $machine, and $inside.
root_unpack() {
    root_have "$1"
    machine=$(mktemp -d "${TMPDIR:-/var/tmp}/microtrace-fresh.XXXXXX")
    tar -C "$machine" -xf "$tarball"
    # The network's settings of this machine: names, proxy, where packages come from.
    cp /etc/resolv.conf /etc/hosts "$machine/etc/"
    cp -a /etc/apt/apt.conf.d/. "$machine/etc/apt/apt.conf.d/" 2>/dev/null || true
    if [ -d /etc/ssl/certs ]; then
        cp -aL /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/" 2>/dev/null || true
    fi
    # shellcheck disable=SC2016,SC2034 # for the shell in there, and for those who source this
    inside=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"}
        unshare --mount --propagation private sh -ec 'mount --bind "$0" "$0"
            mount -t proc proc "$0/proc"
            mount --rbind /dev "$0/dev"
            exec chroot "$0" "$@"' "$machine")
}
