"""Groups and versions of Karmada's API."""

BINDING_API = "work.karmada.io/v1alpha2"
CLUSTER_API = "cluster.karmada.io/v1alpha1"
POLICY_API = "policy.karmada.io/v1alpha1"
WORK_API = "work.karmada.io/v1alpha1"
