{{- define "penstock.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of what is of the whole cluster: two releases in two namespaces do not meet. */}}
{{- define "penstock.clusterName" -}}
{{- printf "%s.%s.penstock.dev" (include "penstock.name" .) .Release.Namespace -}}
{{- end -}}

{{- define "penstock.labels" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "penstock.serviceAccount" -}}
{{- default (ternary (include "penstock.name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "penstock.image" -}}
{{- with .Values.prefetch.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default (printf "%s-prefetch" $.Chart.AppVersion) .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The version of the policy API that this cluster serves; says what to do where it serves none. */}}
{{- define "penstock.policyVersion" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
v1
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
v1beta1
{{- else -}}
{{- fail (printf "\n\nThis cluster (%s) serves no MutatingAdmissionPolicy, which injection needs: it is there from Kubernetes 1.36 on, and from 1.34 with the feature gate MutatingAdmissionPolicy and --runtime-config=admissionregistration.k8s.io/v1beta1=true. Either use such a cluster, or install with --set injection.enabled=false: steps then start a prefetcher of their own, or you write the sidecar into your pods (docs/kubernetes.md). For `helm template` pass --api-versions admissionregistration.k8s.io/v1/MutatingAdmissionPolicy.\n" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}

{{/* Fails where a kind of the Prometheus operator is missing. Arguments: root, kind, switch. */}}
{{- define "penstock.needsOperator" -}}
{{- $root := index . 0 -}}
{{- if not ($root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 1))) -}}
{{- fail (printf "\n\nThis cluster serves no %s (monitoring.coreos.com/v1), which monitoring.%s asks for. Either install the Prometheus operator first, or install with --set monitoring.%s.enabled=false: the sidecars serve their metrics all the same (docs/monitoring.md). For `helm template` pass --api-versions monitoring.coreos.com/v1/%s.\n" (index . 1) (index . 2) (index . 2) (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Which pods the policies are about, for a binding. */}}
{{- define "penstock.matchResources" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      {{- if .Values.injection.namespaces }}
      operator: In
      values: {{ toJson .Values.injection.namespaces }}
      {{- else }}
      operator: NotIn
      values: {{ toJson (default (list "kube-system") .Values.injection.excludedNamespaces) }}
      {{- end }}
objectSelector:
  matchLabels:
    penstock.dev/prefetch: "true"
{{- end -}}

{{/* Created pods with the label; an update cannot change what was injected. */}}
{{- define "penstock.matchConstraints" -}}
resourceRules:
  - apiGroups: [""]
    apiVersions: ["v1"]
    operations: [CREATE]
    resources: [pods]
objectSelector:
  matchLabels:
    penstock.dev/prefetch: "true"
{{- end -}}

{{/* CEL: the name of the trainer's container. */}}
{{- define "penstock.cel.container" -}}
object.metadata.?annotations[?'penstock.dev/container'].orValue('main')
{{- end -}}

{{/* CEL variables that both policies use: both judge a pod by the same expressions. */}}
{{- define "penstock.variables" -}}
- name: annotations
  expression: object.metadata.?annotations.orValue({})
- name: limit
  expression: >-
    object.spec.?volumes.orValue([]).filter(v, v.name == 'penstock-window' && has(v.emptyDir) && has(v.emptyDir.sizeLimit))
    .map(v, quantity(string(v.emptyDir.sizeLimit)).asApproximateFloat())
- name: windowSize
  expression: >-
    variables.annotations[?'penstock.dev/window-size'].orValue(
    {{- if .Values.prefetch.windowSize }}
      '{{ .Values.prefetch.windowSize }}'
    {{- else }}
      size(variables.limit) == 0 ? '2Gi' : string(int(variables.limit[0] * 0.85))
    {{- end }}
    )
- name: metricsPort
  expression: >-
    variables.annotations[?'penstock.dev/metrics-port'].orValue(
    object.spec.?hostNetwork.orValue(false) ? '0' : '{{ int64 .Values.prefetch.metricsPort }}')
- name: hasMetrics
  expression: >-
    variables.metricsPort.matches('^[1-9][0-9]{3,4}$') && int(variables.metricsPort) >= 1024 && int(variables.metricsPort) <= 65535
- name: memoryRequest
  expression: variables.annotations[?'penstock.dev/memory'].orValue('{{ .Values.prefetch.resources.requests.memory }}')
- name: memory
  expression: variables.annotations[?'penstock.dev/memory'].orValue('{{ .Values.prefetch.resources.limits.memory }}')
{{- end -}}

{{/* CEL: a map of resources, its memory by a variable. Arguments: resources, variable. */}}
{{- define "penstock.cel.resources" -}}
{ {{- range $name, $amount := omit (index . 0) "memory" -}} {{ $name | squote }}: {{ $amount | toString | squote }}, {{ end -}} 'memory': {{ index . 1 }} }
{{- end -}}

{{/* Image of the steps of workflows. Arguments: root, target. */}}
{{- define "penstock.workflows.image" -}}
{{- $root := index . 0 -}}
{{- $target := index . 1 -}}
{{- if eq $target "prefetch" -}}
{{ include "penstock.image" $root }}
{{- else -}}
{{ default (printf "%s:%s-%s" $root.Values.prefetch.image.repository $root.Chart.AppVersion $target) (index $root.Values.workflows.images $target) }}
{{- end -}}
{{- end -}}
