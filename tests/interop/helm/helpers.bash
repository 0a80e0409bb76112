# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # what is set here is used by the tests
# What the tests of the Helm chart share: helm, its output in $DIR/made.yaml, and questions to that.

load "$(dirname "${BASH_SOURCE[0]}")/../helpers"

setup_file() {
    read -r HELM HELM_PYTHON KUBE_SCORE < <("$BATS_TEST_DIRNAME/helm/build") || HELM=
    export HELM HELM_PYTHON KUBE_SCORE
}

setup() {
    [[ -n $HELM ]] || absent "no helm, kubernetes-validate or kube-score (tests/interop/helm/build)"
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
    CHART=$ROOT/deploy/helm/microtrace
    export HELM_CACHE_HOME=$DIR/cache HELM_CONFIG_HOME=$DIR/config HELM_DATA_HOME=$DIR/data
}

teardown() {
    [[ -z ${DIR:-} ]] || rm -rf "$DIR"
}

template() {
    "$HELM" template release "$CHART" --kube-version 1.33.0 "$@"
}

# kinds FILE: of its objects, in one line.
kinds() {
    sed -n 's/^kind: //p' "$1" | sort -u | paste -sd ' '
}

# valid ARGUMENT...: the chart made with each (helm's arguments) is sound; the result is in $DIR/made.yaml.
valid() {
    "$HELM" lint --strict --quiet "$CHART" --kube-version 1.33.0 "$@" 2>/dev/null
    template "$@" >"$DIR/made.yaml" 2>"$DIR/made.log" || { cat "$DIR/made.log"; return 1; }
    "$HELM_PYTHON" "$HERE/check_manifests.py" "$DIR/made.yaml" "$DIR/rules.yaml"
}

# values: standard input as a file of values; its name is $VALUES.
values() {
    VALUES=$DIR/values.yaml
    cat >"$VALUES"
}

# made KIND JQ-FILTER: of the one object of that kind in $DIR/made.yaml.
made() {
    "$PYTHON" -c 'import json, sys, yaml
with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([item for item in yaml.safe_load_all(file) if item and item["kind"] == sys.argv[2]]))' \
        "$DIR/made.yaml" "$1" | jq -re ".[0] | $2"
}

# container NAME JQ-FILTER: of the pod's containers.
container() {
    made Deployment ".spec.template.spec | (.initContainers + .containers)[] | select(.name == \"$1\") | $2"
}

# variable CONTAINER NAME: its value, or where it is from.
variable() {
    container "$1" ".env[] | select(.name == \"$2\") | .value // (.valueFrom | tojson)"
}

# refused PATTERN ARGUMENT...: helm's arguments are refused, with words that match.
refused() {
    local pattern=$1
    shift
    run -1 template "$@"
    [[ $output =~ $pattern ]] || { echo "$*: $output"; return 1; }
}
