{{/* What the chart sets for both containers, and for each of them. */}}
{{- define "microtrace.env.spool" -}}
- name: MICROTRACE_SPOOL_MAX_BYTES
  value: {{ .Values.spool.maxBytes | int64 | quote }}
- name: MICROTRACE_SPOOL_MEMORY_BYTES
  value: {{ .Values.spool.memoryBytes | int64 | quote }}
{{- end }}

{{- define "microtrace.env.agent" -}}
- name: MICROTRACE_AGENT_LISTEN
  value: 0.0.0.0:9464
- name: MICROTRACE_AGENT_PAGE
  value: {{ ternary "on" "off" (has (toString .Values.agent.page) (list "on" "true")) | quote }}
{{ include "microtrace.env.spool" . }}
{{- if .Values.otlp.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.otlp.endpoint | quote }}
{{- else if .Values.otlp.endpointSecret.name }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  valueFrom: {secretKeyRef: {name: {{ .Values.otlp.endpointSecret.name }}, key: {{ .Values.otlp.endpointSecret.key }}}}
{{- end }}
{{- if or .Values.otlp.endpoint .Values.otlp.endpointSecret.name }}
- name: OTEL_EXPORTER_OTLP_COMPRESSION
  value: {{ .Values.otlp.compression | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .Values.otlp.protocol | quote }}
{{- end }}
{{- if .Values.otlp.headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS_FILE
  value: /etc/microtrace/otlp/headers
{{- end }}
{{- with .Values.otlp.tls }}
{{- if .secret }}
{{- range $name, $file := dict "CERTIFICATE" .ca "CLIENT_CERTIFICATE" .certificate "CLIENT_KEY" .key }}
{{- if $file }}
- name: OTEL_EXPORTER_OTLP_{{ $name }}
  value: /etc/microtrace/tls/{{ $file }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "microtrace.env.web" -}}
- name: AGENT_LISTEN
  value: 127.0.0.1:9464
- name: WORKERS
  value: {{ .Values.workers | quote }}
{{ include "microtrace.env.spool" . }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- if not (hasKey .Values.env "OTEL_RESOURCE_ATTRIBUTES") }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- end }}
{{- end }}

{{/* The list of variables: `own`, which the chart sets, and `added`, the value of the name `key`. No name
     comes twice, and nothing secret in clear text. */}}
{{- define "microtrace.env" -}}
{{- $values := dict "WORKERS" "workers" "MICROTRACE_SPOOL_MAX_BYTES" "spool.maxBytes" "MICROTRACE_SPOOL_MEMORY_BYTES" "spool.memoryBytes" "MICROTRACE_AGENT_PAGE" "agent.page" "OTEL_EXPORTER_OTLP_ENDPOINT" "otlp.endpoint" "OTEL_EXPORTER_OTLP_COMPRESSION" "otlp.compression" "OTEL_EXPORTER_OTLP_PROTOCOL" "otlp.protocol" "OTEL_EXPORTER_OTLP_HEADERS_FILE" "otlp.headersSecret" "OTEL_EXPORTER_OTLP_CERTIFICATE" "otlp.tls" "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" "otlp.tls" "OTEL_EXPORTER_OTLP_CLIENT_KEY" "otlp.tls" }}
{{- $key := .key }}
{{- $taken := list }}
{{- range fromYamlArray .own }}{{ $taken = append $taken .name }}{{ end }}
{{- .own }}
{{- range $name, $value := .added }}
{{- if has $name $taken }}
{{- fail (printf "%s.%s: the chart sets this variable itself%s" $key $name (hasKey $values $name | ternary (printf ", from the value %s" (get $values $name)) "")) }}
{{- end }}
- name: {{ $name }}
{{- if kindIs "string" $value }}
{{- if or (regexMatch "://[^/?#]*@" $value) (and (regexMatch "(?i)_PROXY$" $name) (contains "@" $value)) }}
{{- fail (printf "%s.%s: a user or password in a URL would stand in the Deployment in clear text: take it from a Secret, {valueFrom: {secretKeyRef: {name: ..., key: ...}}}" $key $name) }}
{{- end }}
{{- if regexMatch "^OTEL_EXPORTER_OTLP_([A-Z]+_)?HEADERS$" $name }}
{{- fail (printf "%s.%s: headers, which carry keys, would stand in the Deployment in clear text: use the value otlp.headersSecret, or {valueFrom: {secretKeyRef: {name: ..., key: ...}}}" $key $name) }}
{{- end }}
  value: {{ $value | quote }}
{{- else }}
  valueFrom:
    {{- toYaml $value.valueFrom | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
