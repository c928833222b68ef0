{{/*
What the operator does in a namespace; each verb is there because a request is made with it.
Nothing for CustomResourceDefinitions and namespaces, which kopf would watch: the operator turns
that off (settings.scanning.disabled). Discovery is open to every service account.
*/}}
{{- define "workqueuejob.rules" -}}
# The operator watches the objects, never reads a single one, and changes only their status. delete:
# objects that have ended, by ttlSecondsAfterFinished.
- apiGroups: [wqj.dev]
  resources: [workqueuejobs]
  verbs: [list, watch, delete]
- apiGroups: [wqj.dev]
  resources: [workqueuejobs/status]
  verbs: [patch]
# The Jobs' owner references set blockOwnerDeletion, which the admission plugin
# OwnerReferencesPermissionEnforcement allows only to a client that may set the owner's finalizers.
- apiGroups: [wqj.dev]
  resources: [workqueuejobs/finalizers]
  verbs: [update]
# get: to see who owns a Job when its name is taken, and that a Job is unchanged before its pods are
# ended. patch: suspend and parallelism. delete: finished Jobs beyond the history limits.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, get, create, patch, delete]
# A wave is ended by a condition in its status: a success when nothing is left to take, or a failure.
- apiGroups: [batch]
  resources: [jobs/status]
  verbs: [patch]
# list: to see why pods don't start. watch: to see what workers report. delete: pods of an ended Job
# that ignore SIGTERM.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
# One Secret at a time, by the name in a WorkQueueJob. Never list, which would show all Secrets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
{{/* The fields that name a Secret, in the section of any broker; a test compares them with the CRD. */}}
{{- define "workqueuejob.secretReferences" -}}
- uriSecretRef
- credentialsSecretRef
- sentinel.credentialsSecretRef
- sasl.credentialsSecretRef
- tls.caSecretRef
- tls.clientCertificateSecretRef
{{- end }}
