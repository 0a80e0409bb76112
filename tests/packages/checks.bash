# What the tests of the Debian packages share: where things are, and how a check is counted.
# shellcheck shell=bash
# shellcheck disable=SC2034 # for those who source this

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-build}
# The folder of the packages that are tested: PACKAGES, or what `make deb` makes.
packages=${PACKAGES:-$root/$build/deb}
passed=0 failed=0

say() {
    printf '%s: %s\n' "${0##*/}" "$*"
}

# check NAME COMMAND...: one line with its time, and its output if it fails.
check() {
    local name=$1 began=$SECONDS output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        passed=$((passed + 1))
        say "ok: $name ($((SECONDS - began)) s)"
    else
        failed=$((failed + 1))
        say "FAILED: $name ($((SECONDS - began)) s)"
        printf '%s\n' "$output" | tail -n 80 | sed 's/^/    /'
        return 1
    fi
}

# Prints the summary; its status is that of the script.
verdict() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# need_root WHY
need_root() {
    [ "$(id -u)" -eq 0 ] || { say "needs root, for $1" && exit 1; }
}

# package_files: the paths of those that are installed; $packages has their debug symbols too.
package_files() {
    find "$packages" -name '*.deb' ! -name '*-dbgsym_*' | sort
}

# is_current FOLDER: has packages that are newer than all of the source.
is_current() {
    local changes
    changes=$(compgen -G "$1/*.changes") || return
    [ -z "$(cd "$root" && git ls-files -z --cached --others --exclude-standard |
        xargs -0 sh -c 'find "$@" -newer "$0"' "$changes" 2>/dev/null | head -n 1)" ]
}

# The packages of this tree as it is now: PACKAGES, those of tests/packages/build for this machine's
# release, or new ones.
need_packages() {
    local built
    [ -z "${PACKAGES:-}" ] || return 0
    built=$root/$build/deb-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    if is_current "$built"; then
        packages=$built
    elif ! is_current "$packages"; then
        make -s -C "$root" deb BUILD="$build"
    fi
}
