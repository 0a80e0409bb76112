#!/usr/bin/env bats
# Goal: what the Helm chart makes is fit for a cluster that others use: nothing secret in clear text, no
# port open that nobody asked for and none shut that is needed, what the pod takes of its node declared,
# and contradictions refused in words that say what to do.

bats_require_minimum_version 1.5.0
load helm/helpers

@test "an endpoint with a password is never in a Deployment in clear text" {
    refused "otlp.endpoint: its user or password.*otlp.endpointSecret" --set otlp.endpoint=https://me:secret@collector.example.com
    refused "otlp.endpoint: its user" --set otlp.endpoint=https://token@collector.example.com/otlp
    refused "agentEnv.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: a user or password.*secretKeyRef" \
        --set agentEnv.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://a:b@c
    refused "env.DOWNSTREAM_URL: a user" --set env.DOWNSTREAM_URL=http://a:b@c/analyze
    refused "agentEnv.HTTPS_PROXY: a user" --set agentEnv.HTTPS_PROXY=me:secret@proxy:3128
    refused "agentEnv.OTEL_EXPORTER_OTLP_HEADERS: headers.*otlp.headersSecret" \
        --set agentEnv.OTEL_EXPORTER_OTLP_HEADERS=authorization=x
    refused "agentEnv.OTEL_EXPORTER_OTLP_LOGS_HEADERS: headers" --set agentEnv.OTEL_EXPORTER_OTLP_LOGS_HEADERS=a=b
    # An @ elsewhere is none.
    valid --set otlp.endpoint=https://collector.example.com/team@shop
    valid --set otlp.endpointSecret.name=otlp
    [ "$(variable agent OTEL_EXPORTER_OTLP_ENDPOINT)" = '{"secretKeyRef":{"name":"otlp","key":"endpoint"}}' ]
    [ "$(variable agent OTEL_EXPORTER_OTLP_COMPRESSION)" = gzip ]
    refused "only one of them" --set otlp.endpointSecret.name=otlp --set otlp.endpoint=https://collector.example.com
}

@test "variables come from Secrets and ConfigMaps, each to its own container" {
    values <<'END'
env: {API_KEY: {valueFrom: {secretKeyRef: {name: shop, key: api-key}}}}
envFrom: [{configMapRef: {name: shop}}]
agentEnv: {OTEL_EXPORTER_OTLP_HEADERS: {valueFrom: {secretKeyRef: {name: otlp, key: headers}}}}
agentEnvFrom: [{secretRef: {name: agent}}]
END
    valid -f "$VALUES"
    [ "$(variable microtrace API_KEY)" = '{"secretKeyRef":{"key":"api-key","name":"shop"}}' ]
    [ "$(container microtrace '.envFrom | tojson')" = '[{"configMapRef":{"name":"shop"}}]' ]
    [ "$(variable agent OTEL_EXPORTER_OTLP_HEADERS)" = '{"secretKeyRef":{"key":"headers","name":"otlp"}}' ]
    [ "$(container agent '.envFrom | tojson')" = '[{"secretRef":{"name":"agent"}}]' ]
    run variable agent API_KEY
    [ "$status" -ne 0 ]
}

@test "certificates and headers are files of the agent alone, and other volumes whose they are" {
    values <<'END'
otlp:
  endpoint: https://collector.example.com
  headersSecret: headers
  tls: {secret: certificates, certificate: tls.crt, key: tls.key}
volumes: [{name: cas, configMap: {name: cas}}]
volumeMounts: [{name: cas, mountPath: /etc/cas, readOnly: true}]
END
    valid -f "$VALUES"
    [ "$(variable agent OTEL_EXPORTER_OTLP_CERTIFICATE)" = /etc/microtrace/tls/ca.crt ]
    [ "$(variable agent OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)" = /etc/microtrace/tls/tls.crt ]
    [ "$(variable agent OTEL_EXPORTER_OTLP_CLIENT_KEY)" = /etc/microtrace/tls/tls.key ]
    [ "$(variable agent OTEL_EXPORTER_OTLP_HEADERS_FILE)" = /etc/microtrace/otlp/headers ]
    # The mode lets the pod's group read, and nobody else.
    [ "$(made Deployment '[.spec.template.spec.volumes[] | select(.secret) | "\(.secret.secretName) \(.secret.defaultMode)"] | join(",")')" = "headers 288,certificates 288" ]
    [ "$(container agent '[.volumeMounts[].mountPath] | join(" ")')" = "/var/lib/microtrace/run /var/lib/microtrace/spool /etc/microtrace/otlp /etc/microtrace/tls" ]
    [ "$(container microtrace '[.volumeMounts[].mountPath] | join(" ")')" = "/var/lib/microtrace/run /var/lib/microtrace/spool /etc/cas" ]
    valid --set otlp.endpoint=https://collector.example.com --set otlp.tls.secret=certificates
    run variable agent OTEL_EXPORTER_OTLP_CLIENT_KEY
    [ "$status" -ne 0 ]
    refused "otlp.tls: certificate and key belong together" --set otlp.tls.secret=a --set otlp.tls.certificate=tls.crt
    refused "otlp.tls: the endpoint is not https" --set otlp.tls.secret=a --set otlp.endpoint=http://collector:4318
}

@test "no variable is there twice: what the chart sets itself is refused, with the value that sets it" {
    refused "env.WORKERS: the chart sets this variable itself, from the value workers" --set-string env.WORKERS=3
    refused "agentEnv.MICROTRACE_AGENT_LISTEN: the chart sets this variable itself" --set agentEnv.MICROTRACE_AGENT_LISTEN=a
    refused "from the value otlp.endpoint" --set otlp.endpoint=http://a:4318 --set agentEnv.OTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318
    refused "from the value agent.page" --set-string agentEnv.MICROTRACE_AGENT_PAGE=on
    refused "from the value spool.maxBytes" --set-string env.MICROTRACE_SPOOL_MAX_BYTES=5000000
    # What it does not set is free.
    valid --set agentEnv.OTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318 --set env.OTEL_RESOURCE_ATTRIBUTES=a=b
    [ "$(variable agent OTEL_EXPORTER_OTLP_ENDPOINT)" = http://b:4318 ]
    [ "$(variable microtrace OTEL_RESOURCE_ATTRIBUTES)" = a=b ]
}

# egress_ports: of the NetworkPolicy, sorted.
egress_ports() {
    made NetworkPolicy '[.spec.egress[].ports[].port] | unique | join(" ")'
}

@test "a NetworkPolicy opens what the endpoint needs" {
    # opens PORTS ARGUMENT...
    opens() {
        local ports=$1
        shift
        valid --set networkPolicy.enabled=true "$@"
        [ "$(egress_ports)" = "$ports" ] || { echo "$*: $(egress_ports)"; return 1; }
    }
    opens "53"
    opens "53 443" --set otlp.endpoint=https://collector.example.com
    opens "53 443" --set otlp.endpoint=https://collector.example.com/otlp:80
    opens "53 8443" --set otlp.endpoint=https://collector.example.com:8443/otlp
    opens "53 80" --set otlp.endpoint=http://collector
    opens "53 4318" --set otlp.endpoint=http://collector.observability:4318
    opens "53 4318" --set 'otlp.endpoint=http://[fd00::5]:4318'
    opens "53 443" --set 'otlp.endpoint=https://[fd00::4318]'
    opens "53 443 4318 8080" --set otlp.endpoint=http://collector:4318 --set env.DOWNSTREAM_URL=http://next:8080/analyze \
        --set agentEnv.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://logs.example.com/v1/logs
    # An endpoint that the chart can't see.
    refused "networkPolicy.egress: otlp.endpointSecret is in a Secret.*port" --set networkPolicy.enabled=true \
        --set otlp.endpointSecret.name=otlp
    refused "networkPolicy.egress: env.DOWNSTREAM_URL is in a Secret" --set networkPolicy.enabled=true \
        --set env.DOWNSTREAM_URL.valueFrom.secretKeyRef.name=a --set env.DOWNSTREAM_URL.valueFrom.secretKeyRef.key=b
    opens "53 443" --set otlp.endpointSecret.name=otlp --set 'networkPolicy.egress[0].ports[0].port=443'
}

@test "the agent's port is shut unless somebody is named who may scrape" {
    valid --set networkPolicy.enabled=true
    [ "$(made NetworkPolicy '[.spec.ingress[].ports[].port] | join(" ")')" = http ]
    valid --set networkPolicy.enabled=true --set-json 'networkPolicy.metricsFrom=[{"namespaceSelector": {}}]'
    [ "$(made NetworkPolicy '.spec.ingress[] | select(.ports[0].port == "metrics") | .from | tojson')" = '[{"namespaceSelector":{}}]' ]
    refused "networkPolicy.metricsFrom: nobody may scrape, yet serviceMonitor is enabled" \
        --set networkPolicy.enabled=true --set serviceMonitor.enabled=true
}

@test "the agent's page is off in a pod, unless it is asked for" {
    valid
    [ "$(variable agent MICROTRACE_AGENT_PAGE)" = off ]
    # YAML takes a bare on for true.
    for on in --set-string\ agent.page=on --set\ agent.page=true --set\ agent.page=on; do
        # shellcheck disable=SC2086 # two words
        valid $on
        [ "$(variable agent MICROTRACE_AGENT_PAGE)" = on ]
    done
    valid --set agent.page=false
    [ "$(variable agent MICROTRACE_AGENT_PAGE)" = off ]
}

@test "an account of its own without a token, a priority, an image by its digest" {
    valid
    [ "$(made Deployment .spec.template.spec.serviceAccountName)" = release-microtrace ]
    [ "$(made ServiceAccount '.automountServiceAccountToken | tostring')" = false ]
    digest=sha256:$(printf 'ab%.0s' {1..32})
    valid --set serviceAccount.name=trace --set "serviceAccount.annotations.example\.com/role=a" \
        --set priorityClassName=high --set image.repository=registry:5000/a/microtrace --set "image.digest=$digest" \
        --set 'imagePullSecrets[0].name=registry'
    [ "$(made ServiceAccount '.metadata.name + " " + .metadata.annotations["example.com/role"]')" = "trace a" ]
    [ "$(made Deployment .spec.template.spec.serviceAccountName)" = trace ]
    [ "$(made Deployment .spec.template.spec.priorityClassName)" = high ]
    [ "$(made Deployment '.spec.template.spec.imagePullSecrets[0].name')" = registry ]
    for name in microtrace agent; do
        [ "$(container "$name" .image)" = "registry:5000/a/microtrace@$digest" ]
    done
    valid --set serviceAccount.create=false
    [ "$(made Deployment .spec.template.spec.serviceAccountName)" = default ]
    [[ $(kinds "$DIR/made.yaml") != *ServiceAccount* ]]
}

@test "the disk that the pod takes of its node is requested, limited, and enough for the spool" {
    valid
    for name in microtrace agent; do
        container "$name" '.resources | .requests["ephemeral-storage"] and .limits["ephemeral-storage"]'
    done
    refused "agentResources.limits.ephemeral-storage: 1Gi, with the 256Mi of resources, is less than spool.size, 4Gi" \
        --set spool.size=4Gi
    valid --set spool.size=4Gi --set agentResources.limits.ephemeral-storage=5Gi
    refused "spool.size: 1Gi is less than spool.maxBytes" --set spool.maxBytes=1073741824
    refused "run.size: 32Mi is less than spool.memoryBytes" --set spool.memoryBytes=33554432
    # Volumes of their own do not count.
    values <<'END'
spool:
  maxBytes: 4294967296
  volume: {ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 8Gi}}}}}}
END
    valid -f "$VALUES"
}

@test "a PodDisruptionBudget only where there are two pods or more" {
    valid --set replicas=1
    [[ $(kinds "$DIR/made.yaml") != *PodDisruptionBudget* ]]
    valid --set replicas=1 --set autoscaling.enabled=true
    [[ $(kinds "$DIR/made.yaml") == *PodDisruptionBudget* ]]
    refused "minReplicas is more than maxReplicas" --set autoscaling.enabled=true --set autoscaling.minReplicas=20
    refused "resources.requests.cpu, which is not set" --set autoscaling.enabled=true --set resources.requests.cpu=null
}

# score FILE: what it has against it. Not asked for: pods on other nodes by affinity, as
# topologySpreadConstraints do it and still start where there is one node; limits of CPU, which throttle;
# images that are always pulled, as a tag never changes.
score() {
    "$KUBE_SCORE" score --output-format ci --kubernetes-version v1.33 --exit-one-on-warning \
        --enable-optional-test container-seccomp-profile --enable-optional-test container-ports-check \
        --ignore-container-cpu-limit --ignore-test deployment-has-host-podantiaffinity \
        --ignore-test container-image-pull-policy "$1" >"$DIR/score" || true
    grep -q '^\[OK\].*Deployment' "$DIR/score" || { echo "it has looked at nothing" && return; }
    grep -vE '^\[(OK|SKIPPED)\]' "$DIR/score"
}

@test "kube-score finds nothing" {
    for file in operator everything; do
        valid -f "$CHART/ci/$file-values.yaml"
        refute score "$DIR/made.yaml"
    done
    refute score "$ROOT/deploy/kubernetes/microtrace.yaml"
    # It would find something.
    sed '/ephemeral-storage:/d' "$DIR/made.yaml" >"$DIR/bad.yaml"
    run score "$DIR/bad.yaml"
    [[ $output == *CRITICAL*"(agent) Ephemeral"* ]]
}

# notes ARGUMENT...: NOTES.txt, as helm install prints it. helm template leaves it out, so that of a copy is
# put into a ConfigMap.
notes() {
    [ -d "$DIR/chart" ] || cp -rL "$CHART" "$DIR/chart"
    mv "$DIR/chart/templates/NOTES.txt" "$DIR/chart/files/NOTES.txt" 2>/dev/null || true
    cat >"$DIR/chart/templates/notes.yaml" <<'END'
kind: ConfigMap
data:
  notes: |
{{ tpl (.Files.Get "files/NOTES.txt") . | indent 4 }}
END
    "$HELM" template shop "$DIR/chart" --namespace web --kube-version 1.33.0 --show-only templates/notes.yaml "$@" | sed -n 's/^    //p'
}

@test "the notes after an installation name what is there" {
    notes >"$DIR/notes"
    grep -q 'kubectl --namespace web port-forward service/shop-microtrace 8000:80$' "$DIR/notes"
    grep -q 'kubectl --namespace web port-forward deployment/shop-microtrace 9464$' "$DIR/notes"
    grep -q 'sent nowhere: set otlp.endpoint' "$DIR/notes"
    refute grep -q 'its page\|Nobody may scrape\|From outside' "$DIR/notes"
    notes --set agent.page=on --set otlp.endpoint=http://a:4318 --set networkPolicy.enabled=true --set service.port=8080 \
        --set ingress.enabled=true --set 'ingress.tls[0].secretName=a' >"$DIR/notes"
    grep -q 'port-forward service/shop-microtrace 8000:8080$' "$DIR/notes"
    grep -q 'its page on http://localhost:9464/' "$DIR/notes"
    grep -q 'Nobody may scrape the pods: networkPolicy.metricsFrom' "$DIR/notes"
    grep -q '^  https://microtrace.example.com/analyze$' "$DIR/notes"
    refute grep -q 'sent nowhere' "$DIR/notes"
    # Its request is one that analyze takes.
    [ "$(sed -n "s/.*-d '\(.*\)'$/\1/p" "$DIR/notes" | jq -c .)" = '{"a":10.5,"b":3.5}' ]
}
