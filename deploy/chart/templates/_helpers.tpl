{{- define "workqueuejob.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "workqueuejob.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "workqueuejob.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* A cluster-wide object needs the namespace in its name: two releases may share theirs. */}}
{{- define "workqueuejob.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "workqueuejob.fullname" .) }}
{{- end }}

{{/* As runs have it in their status. Not the full name: with helm, a release has a name already. */}}
{{- define "workqueuejob.installation" -}}
{{- default (printf "%s/%s" .Release.Namespace .Release.Name) .Values.installation }}
{{- end }}

{{- define "workqueuejob.selectorLabels" -}}
app.kubernetes.io/name: {{ include "workqueuejob.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "workqueuejob.labels" -}}
{{ include "workqueuejob.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "workqueuejob.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "workqueuejob.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Of a list: an image's values, and the chart's appVersion. */}}
{{- define "workqueuejob.image" -}}
{{- $image := first . }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default (last .) $image.tag) }}
{{- end }}
{{- end }}
