{{- define "microtrace.fullname" -}}
{{- default (ternary .Release.Name (printf "%s-microtrace" .Release.Name) (contains "microtrace" .Release.Name)) .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods: never to change in the life of a release. */}}
{{- define "microtrace.selector" -}}
app.kubernetes.io/name: microtrace
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "microtrace.labels" -}}
{{ include "microtrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "microtrace.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* No rights, and nothing to write but the two volumes. */}}
{{- define "microtrace.container" -}}
image: {{ include "microtrace.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: run
    mountPath: /var/lib/microtrace/run
  - name: spool
    mountPath: /var/lib/microtrace/spool
{{- end }}

{{- define "microtrace.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
