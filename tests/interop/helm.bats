#!/usr/bin/env bats
# Goal: the Helm chart makes manifests that Kubernetes takes, whatever of it is switched on, and
# refuses values that mean nothing; the plain manifests are what the chart makes.

bats_require_minimum_version 1.5.0
load helm/helpers

@test "with the default values" {
    valid
    [ "$(kinds "$DIR/made.yaml")" = "Deployment PodDisruptionBudget Service ServiceAccount" ]
}

@test "with everything switched on" {
    need_command promtool
    valid -f "$CHART/ci/everything-values.yaml"
    [ "$(kinds "$DIR/made.yaml")" = "ConfigMap Deployment HorizontalPodAutoscaler Ingress NetworkPolicy PodDisruptionBudget PrometheusRule Service ServiceAccount ServiceMonitor" ]
    run promtool check rules "$DIR/rules.yaml"
    echo "$output"
    [ "$status" -eq 0 ]
    # As many as in the files, none lost on the way.
    [ "$(grep -cE '^ *- ?(record|alert): ' "$ROOT"/dashboards/rules/*.yml | awk -F: '{ n += $2 } END { print n }')" -eq \
        "$(grep -cE '^ *(- )?(record|alert): ' "$DIR/rules.yaml")" ]
}

@test "two releases of one namespace share no name, and no rule records or alerts for both" {
    for release in one two; do
        "$HELM" template "$release" "$CHART" --namespace shop --kube-version 1.33.0 \
            -f "$CHART/ci/operator-values.yaml" >"$DIR/$release.yaml" 2>/dev/null
        "$HELM_PYTHON" "$HERE/check_manifests.py" "$DIR/$release.yaml" "$DIR/$release.rules.yaml"
        awk '/^kind:/ { kind = $2 } /^  name:/ && kind { print kind, $2; kind = "" }' "$DIR/$release.yaml" |
            sort >"$DIR/$release.names"
        refute grep -q 'job=~"\.+"' "$DIR/$release.yaml"
    done
    # Neither selects what belongs to the other.
    cat "$DIR/one.yaml" "$DIR/two.yaml" >"$DIR/both.yaml"
    "$PYTHON" "$HERE/check_selectors.py" "$DIR/both.yaml"
    sed '/^  selector:/,/^  [a-z]*:/ s/instance: two/instance: one/' "$DIR/both.yaml" >"$DIR/bad.yaml"
    run -1 "$PYTHON" "$HERE/check_selectors.py" "$DIR/bad.yaml"
    [[ $output == *"Service two-microtrace of two selects a Pod of ['one']"* ]]
    [ -s "$DIR/one.names" ] && [ -z "$(comm -12 "$DIR/one.names" "$DIR/two.names")" ]
    refute grep -q 'job="two"' "$DIR/one.rules.yaml"
    template -f "$CHART/ci/operator-values.yaml" --set prometheusRule.runbookUrl=https://wiki.example.com/ops \
        2>/dev/null | grep -q 'runbook_url: https://wiki.example.com/ops#microtraceagentdown'
}

@test "with as little as there can be" {
    valid -f "$CHART/ci/little-values.yaml"
    [ "$(kinds "$DIR/made.yaml")" = "Deployment Service ServiceAccount" ]
}

@test "beside the Prometheus operator and a Collector" {
    valid -f "$CHART/ci/operator-values.yaml"
    grep -q 'value: "http://otel-collector.observability:4318"' "$DIR/made.yaml"
}

@test "values that mean nothing are refused" {
    refused "replcas" --set replcas=3
    refused "workers" --set workers=0
    refused "replicas" --set replicas=many
    refused "size" --set run.size=lots
    refused "size" --set spool.size=1K
    refused "endpoint" --set otlp.endpoint=collector:4318
    refused "protocol" --set otlp.protocol=grpc
    refused "pullPolicy" --set image.pullPolicy=Sometimes
    refused "digest" --set image.digest=sha256:12
    refused "log level" --set "env.log level=x"
    refused "paths" --set "ingress.hosts[0].host=a"
    refused "imagePullSecrets" --set "imagePullSecrets[0].nme=a"
    refused "valueFrom" --set env.TOKEN.valueFrom.secretRef.name=a
    refused "envFrom" --set "envFrom[0].secret.name=a"
    refused "page" --set agent.page=perhaps
    refused "podLabels: app.kubernetes.io/name is the chart's own" --set "podLabels.app\\.kubernetes\\.io/name=a"
    refused "volumes" --set "volumes[0].name=spool" --set "volumes[0].emptyDir=null"
    run -1 "$HELM" template release "$CHART" --kube-version 1.28.0
    [[ $output =~ "requires kubeVersion" ]]
}

@test "the check notices what Kubernetes would refuse, and what does not fit" {
    template -f "$CHART/ci/operator-values.yaml" >"$DIR/good.yaml" 2>/dev/null
    # broken SED-SCRIPT PATTERN
    broken() {
        sed "$1" "$DIR/good.yaml" >"$DIR/bad.yaml"
        refute cmp -s "$DIR/good.yaml" "$DIR/bad.yaml"
        run "$HELM_PYTHON" "$HERE/check_manifests.py" "$DIR/bad.yaml" "$DIR/rules.yaml"
        [ "$status" -eq 1 ] && [[ $output =~ $2 ]] || { echo "after $1: $output"; return 1; }
    }
    broken 's/terminationGracePeriodSeconds: 15/terminationGracePeriodSeconds: soon/' "not of type 'integer'"
    broken 's/readinessProbe:/readyProbe:/' "readyProbe"
    broken 's/targetPort: http/targetPort: web/' "Service: port"
    broken 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/' "rights"
    broken 's|value: "http://otel|value: "http://me:secret@otel|' "a password"
    broken 's/port: metrics$/port: http/' "Prometheus may not scrape"
    broken 's/automountServiceAccountToken: false/automountServiceAccountToken: true/' "ServiceAccount: mounts tokens"
    broken 's/name: WORKERS/name: AGENT_LISTEN/' "a variable is there twice"
    broken 's/name: POD_NAME$/name: POD/' "uses POD_NAME, which does not come before it"
    broken 's/jobLabel: .*/jobLabel: job/' "job's name"
}

@test "the plain manifests are what the chart makes, and sound" {
    "$ROOT/scripts/kubernetes-manifests" "$HELM" >"$DIR/plain.yaml"
    diff "$ROOT/deploy/kubernetes/microtrace.yaml" "$DIR/plain.yaml"
    "$HELM_PYTHON" "$HERE/check_manifests.py" "$ROOT/deploy/kubernetes/microtrace.yaml" "$DIR/rules.yaml"
}

@test "a packed chart has its files in it, not links out of it" {
    "$HELM" package "$CHART" -d "$DIR" >/dev/null 2>&1
    tar -xzf "$DIR"/microtrace-*.tgz -C "$DIR"
    for file in microtrace.json recording.yml alerts.yml; do
        [ -f "$DIR/microtrace/files/$file" ] && [ ! -L "$DIR/microtrace/files/$file" ]
    done
    [ ! -e "$DIR/microtrace/ci" ]
}
