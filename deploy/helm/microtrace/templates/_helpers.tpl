{{/* 53 bytes at most, so that the longest name that is made of it (-dashboard) is a valid one. */}}
{{- define "microtrace.fullname" -}}
{{- default (ternary .Release.Name (printf "%s-microtrace" .Release.Name) (contains "microtrace" .Release.Name)) .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
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
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "microtrace.serviceAccount" -}}
{{- default (ternary (include "microtrace.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
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

{{/* How many pods there are at least. */}}
{{- define "microtrace.pods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
{{- end }}
