{{/* Labels of every object of the chart. */}}
{{- define "pod-checkpointing.labels" -}}
app.kubernetes.io/part-of: pod-checkpointing
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* "pod-checkpointing.image" (dict "root" $ "image" <image values>) */}}
{{- define "pod-checkpointing.image" -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Not empty where the nodes' runtime is containerd, whose hooks are no files in a folder. */}}
{{- define "pod-checkpointing.containerd" -}}
{{- if contains "containerd" .Values.agent.runtimeSocket }}true{{ end }}
{{- end }}

{{/* "pod-checkpointing.there" (dict "root" $ "glob" <pattern>): fails where nothing matches. An upgrade without those objects would remove
them from the cluster. */}}
{{- define "pod-checkpointing.there" -}}
{{- if not (.root.Files.Glob .glob) }}
{{- fail (printf "%s of the chart is missing: files/ holds symbolic links to config/, which this copy has lost (a zip, Git without core.symlinks, a Flux GitRepository). Take what `helm package charts/pod-checkpointing` makes in a checkout that has the links, or that checkout itself" .glob) }}
{{- end }}
{{- end }}

{{/* "pod-checkpointing.files" (dict "root" $ "glob" <pattern> "annotations" <dict> "labels" <dict>): objects of config/, the one place where
they are written down, in the release's namespace and with its labels. */}}
{{- define "pod-checkpointing.files" -}}
{{- include "pod-checkpointing.there" . }}
{{- $root := .root }}
{{- $annotations := .annotations | default dict }}
{{- $more := .labels | default dict }}
{{- range $path, $_ := $root.Files.Glob .glob }}
{{- if ne (base $path) "kustomization.yaml" }}
{{- range $text := regexSplit "(?m)^---$" ($root.Files.Get $path | replace "pod-checkpointing-system" $root.Release.Namespace) -1 }}
{{- $object := fromYaml $text }}
{{- if $object.kind }}
{{- $labels := merge (fromYaml (include "pod-checkpointing.labels" $root)) ($object.metadata.labels | default dict) $more }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- if $annotations }}
{{- $_ := set $object.metadata "annotations" (merge ($object.metadata.annotations | default dict) $annotations) }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where traces go, as OpenTelemetry's variables. */}}
{{- define "pod-checkpointing.traces" -}}
{{- with .Values.traces -}}
{{- if .endpoint -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol }}
{{- range $name, $value := .variables }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
