{{/* Bytes of a quantity such as 1Gi. */}}
{{- define "microtrace.bytes" -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (toString . | trimSuffix $unit | float64) (get $units $unit) | int64 -}}
{{- end }}

{{/* What values.schema.json can't say: values that contradict each other. Empty, or it fails. */}}
{{- define "microtrace.check" -}}
{{- range $name, $_ := .Values.podLabels }}
{{- if hasKey (include "microtrace.labels" $ | fromYaml) $name }}
{{- fail (printf "podLabels: %s is the chart's own" $name) }}
{{- end }}
{{- end }}
{{- $segments := 33554432 }}
{{- with .Values.otlp }}
{{- if regexMatch "://[^/?#]*@" .endpoint }}
{{- fail "otlp.endpoint: its user or password would stand in the Deployment in clear text: put the URL into a Secret and name that in otlp.endpointSecret" }}
{{- end }}
{{- if and .endpoint .endpointSecret.name }}
{{- fail "otlp.endpoint and otlp.endpointSecret: only one of them can be the endpoint" }}
{{- end }}
{{- if and .tls.secret (hasPrefix "http://" .endpoint) }}
{{- fail "otlp.tls: the endpoint is not https, so certificates have no effect" }}
{{- end }}
{{- if ne (empty .tls.certificate) (empty .tls.key) }}
{{- fail "otlp.tls: certificate and key belong together: set both or none" }}
{{- end }}
{{- end }}
{{- with .Values.spool }}
{{- if not .volume }}
{{- if lt (int64 (include "microtrace.bytes" .size)) (add .maxBytes $segments) }}
{{- fail (printf "spool.size: %s is less than spool.maxBytes and 32 MiB for what is being sent (%d bytes): the pod would be evicted before the spool is full" .size (add .maxBytes $segments)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if lt (int64 (include "microtrace.bytes" .Values.run.size)) (add .Values.spool.memoryBytes 10485760) }}
{{- fail (printf "run.size: %s is less than spool.memoryBytes and 10 MiB for the metrics file (%d bytes)" .Values.run.size (add .Values.spool.memoryBytes 10485760)) }}
{{- end }}
{{- $ours := dig "limits" "ephemeral-storage" "" .Values.resources }}
{{- $agents := dig "limits" "ephemeral-storage" "" .Values.agentResources }}
{{- if and $ours $agents (not .Values.spool.volume) }}
{{- if lt (add (int64 (include "microtrace.bytes" $ours)) (int64 (include "microtrace.bytes" $agents))) (int64 (include "microtrace.bytes" .Values.spool.size)) }}
{{- fail (printf "agentResources.limits.ephemeral-storage: %s, with the %s of resources, is less than spool.size, %s: the pod would be evicted before the spool is full" $agents $ours .Values.spool.size) }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail "autoscaling: minReplicas is more than maxReplicas" }}
{{- end }}
{{- if and .enabled (not (dig "requests" "cpu" "" $.Values.resources)) }}
{{- fail "autoscaling: it goes by the share of resources.requests.cpu, which is not set" }}
{{- end }}
{{- end }}
{{- with .Values.networkPolicy }}
{{- if and .enabled $.Values.serviceMonitor.enabled (not .metricsFrom) }}
{{- fail "networkPolicy.metricsFrom: nobody may scrape, yet serviceMonitor is enabled: say where Prometheus is, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" }}
{{- end }}
{{- end }}
{{- end }}
