{{- define "winkel.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels by which pods are found; they never change. Called with (dict "root" $ "role" "meter"). */}}
{{- define "winkel.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "winkel.labels" -}}
{{ include "winkel.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "winkel.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What every process is told. */}}
{{- define "winkel.env" -}}
- name: WINKEL_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ .Values.secret.name }}, key: {{ .Values.secret.databaseUrlKey }}}
{{- with .Values.secret.shardsKey }}
- name: WINKEL_SHARDS
  valueFrom:
    secretKeyRef: {name: {{ $.Values.secret.name }}, key: {{ . }}}
{{- end }}
- name: WINKEL_LOG
  value: {{ .Values.log | quote }}
{{- if .Values.kafkaConfig.secretName }}
- name: WINKEL_KAFKA_CONFIG
  value: /etc/winkel/{{ .Values.kafkaConfig.key }}
{{- end }}
- name: WINKEL_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- range $name, $value := .Values.settings }}
- name: WINKEL_{{ upper $name }}
  value: {{ ternary ($value | int64) $value (kindIs "float64" $value) | toString | quote }}
{{- end }}
{{- end }}

{{- define "winkel.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false  # Kubernetes would set WINKEL_ variables of its own, named after our Services
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "winkel.container" -}}
image: {{ include "winkel.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "winkel.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.kafkaConfig.secretName }}
- {name: kafka-config, mountPath: /etc/winkel, readOnly: true}
{{- end }}
{{- end }}

{{- define "winkel.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with .Values.kafkaConfig.secretName }}
- name: kafka-config
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}

{{/* A role as a Deployment. Called with (dict "root" $ "role" "meter" "values" .Values.meter "replicas" 2 "args" (list …)); without replicas somebody else counts. */}}
{{- define "winkel.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "winkel.name" $root }}-{{ .role }}
  labels: {{- include "winkel.labels" . | nindent 4 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  strategy:
    {{- if eq .role "gateway" }}
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
    {{- else }}
    type: Recreate  # never two versions of it: the new one may be of another schema, and events wait in the log
    {{- end }}
  selector:
    matchLabels: {{- include "winkel.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "winkel.labels" . | nindent 8 }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "winkel.pod" $root | nindent 6 }}
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      {{- with $root.Values.spreadOver }}
      topologySpreadConstraints:
        {{- range . }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "winkel.selector" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .role }}
          {{- include "winkel.container" $root | nindent 10 }}
          args: {{- toYaml .args | nindent 12 }}
          env: {{- include "winkel.env" $root | nindent 12 }}
          ports:
            {{- if eq .role "gateway" }}
            - {name: http, containerPort: 8080}
            {{- end }}
            - {name: metrics, containerPort: {{ $root.Values.metrics.port }}}
          startupProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          {{- if eq .role "gateway" }}
          lifecycle:
            preStop:
              exec: {command: [sleep, "5"]}  # until no Service sends requests here any more
          {{- end }}
          resources: {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            {{- include "winkel.mounts" $root | nindent 12 }}
            {{- if eq .role "meter" }}
            - {name: cache, mountPath: /cache}
            {{- end }}
      volumes:
        {{- include "winkel.volumes" $root | nindent 8 }}
        {{- if eq .role "meter" }}
        - name: cache
          emptyDir: {sizeLimit: {{ .values.cacheSize }}}
        {{- end }}
{{- end }}
