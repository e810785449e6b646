"""A realistic set of objects: workloads with policies of every kind, overrides, an autoscaler, a CRD."""

import base64

from flotilla.karmada.versions import Version
from tests.contract.objects import obj
from tests.contract.objects import pods as deployment

POLICY = "policy.karmada.io/v1alpha1"
PUSH, PULL = "member1", "member3"
BOTH = [PUSH, PULL]
SHOP, BACK, DATA = "shop", "back", "data"
DEPLOYMENT = ("apps/v1", "Deployment")


def selector(one):
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "name": one["metadata"]["name"]}


def labelled(one, **labels):
    return {**one, "metadata": {**one["metadata"], "labels": {**one["metadata"].get("labels", {}), **labels}}}


def noted(one, **annotations):
    return {**one, "metadata": {**one["metadata"], "annotations": annotations}}


def to(*names, **placement):
    return {"placement": {"clusterAffinity": {"clusterNames": list(names)}, **placement}}


def divided(preference="Weighted", **weights):
    scheduling = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": preference}
    return {"replicaScheduling": {**scheduling, **({"weightPreference": weights} if weights else {})}}


def weight(name, value):
    return {"targetCluster": {"clusterNames": [name]}, "weight": value}


def sent(name, objects, namespace=SHOP, **spec):
    return obj(
        POLICY, "PropagationPolicy", name, namespace, spec={"resourceSelectors": [selector(o) for o in objects], **spec}
    )


def pod_of(name, **spec):
    """Return the pod template of a Job, a StatefulSet or the like."""
    container = {"name": name, "image": "nginx:1.27", "resources": {"requests": {"cpu": "10m"}}}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


def chosen(name):
    return {"selector": {"matchLabels": {"app": name}}}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def shop_objects():
    """Return the shop: a web server with dependencies and an Ingress, and an API with static weights."""
    web = deployment("web", SHOP, replicas=2, serviceAccountName="web")
    container = web["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": "web"}}, {"secretRef": {"name": "web"}}]
    container["ports"] = [{"containerPort": 80}]
    others = (
        obj(
            "v1", "Service", "web", SHOP, spec={"selector": {"app": "web"}, "ports": [{"port": 80}], "type": "NodePort"}
        ),
        obj(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            SHOP,
            spec={"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        ),
    )
    following = (
        obj("v1", "ConfigMap", "web", SHOP, data={"motd": "line 1\nline 2\n", "no": "no"}),
        labelled(obj("v1", "Secret", "web", SHOP, type="Opaque", data={"password": encoded("hunter2")}), part="web"),
        obj("v1", "ServiceAccount", "web", SHOP),
    )
    api = labelled(deployment("api", SHOP, replicas=5), tier="api")
    weights = divided(staticWeightList=[weight(PUSH, 3), weight(PULL, 2)])
    return [
        web,
        *others,
        *following,
        sent("web", [web, *others], propagateDeps=True, **to(*BOTH)),
        api,
        sent("api", [api], priority=3, conflictResolution="Overwrite", **to(*BOTH, **weights)),
    ]


def divided_workloads():
    """Return workloads divided by free capacity, aggregated, with spread constraints, and with several affinities."""
    worker, cache, mirror, grouped = (
        deployment("worker", BACK, replicas=4),
        deployment("cache", BACK, replicas=3),
        deployment("mirror", BACK, replicas=2),
        deployment("grouped", BACK, replicas=2),
    )
    spread = {"spreadConstraints": [{"spreadByField": "cluster", "maxGroups": 2, "minGroups": 1}]}
    affinities = [
        {"affinityName": "near", "labelSelector": {"matchLabels": {"site": "core"}}},
        {"affinityName": "far", "clusterNames": [PULL]},
    ]
    return [
        worker,
        sent("worker", [worker], BACK, **to(*BOTH, **divided(dynamicWeight="AvailableReplicas"))),
        cache,
        sent("cache", [cache], BACK, **to(*BOTH, **divided("Aggregated"))),
        mirror,
        sent("mirror", [mirror], BACK, **to(*BOTH, **spread)),
        grouped,
        sent("grouped", [grouped], BACK, placement={"clusterAffinities": affinities}),
    ]


def with_failover(version):
    """Return workloads with failover, preemption, suspension, lazy activation, as far as the version has them."""
    stubborn, taken, lazy = (deployment(name, BACK) for name in ("stubborn", "taken", "lazy"))
    purge = "Gracefully" if version >= Version(1, 15) else "Graciously"
    application = {"decisionConditions": {"tolerationSeconds": 120}, "purgeMode": purge, "gracePeriodSeconds": 600}
    tolerations = [
        {"key": "cluster.karmada.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    ]
    found = [
        stubborn,
        sent(
            "stubborn",
            [stubborn],
            BACK,
            propagateDeps=True,
            failover={"application": application},
            **to(PUSH, clusterTolerations=tolerations),
        ),
        taken,
        sent("taken", [taken], BACK, priority=9, preemption="Always", **to(PULL)),
        lazy,
        sent("lazy", [lazy], BACK, activationPreference="Lazy", **to(PUSH)),
    ]
    if version >= Version(1, 11):
        paused = deployment("paused", BACK)
        found += [paused, sent("paused", [paused], BACK, suspension={"dispatching": True}, **to(PUSH))]
    if version >= Version(1, 12):
        stays = deployment("stays", BACK)
        found += [stays, sent("stays", [stays], BACK, preserveResourcesOnDeletion=True, **to(PUSH))]
    if version >= Version(1, 13):
        urgent = deployment("urgent", BACK)
        by = {"priorityClassSource": "KubePriorityClass", "priorityClassName": "system-cluster-critical"}
        found += [urgent, sent("urgent", [urgent], BACK, schedulePriority=by, **to(PUSH))]
    return found


def other_kinds():
    """Return a StatefulSet, a DaemonSet, Jobs, a budget, a network policy; and Secrets selected by kind only."""
    disk = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    database = obj(
        "apps/v1",
        "StatefulSet",
        "database",
        DATA,
        spec={"replicas": 2, "serviceName": "database", **chosen("database"), "template": pod_of("database")},
    )
    logs = obj("apps/v1", "DaemonSet", "logs", DATA, spec={**chosen("logs"), "template": pod_of("logs")})
    once = obj("batch/v1", "Job", "migrate", DATA, spec={"template": pod_of("migrate", restartPolicy="Never")})
    nightly = obj(
        "batch/v1",
        "CronJob",
        "backup.nightly",
        DATA,
        spec={
            "schedule": "0 3 * * *",
            "jobTemplate": {"spec": {"template": pod_of("backup", restartPolicy="OnFailure")}},
        },
    )
    headless = obj(
        "v1",
        "Service",
        "database",
        DATA,
        spec={"clusterIP": "None", "selector": {"app": "database"}, "ports": [{"port": 5432}]},
    )
    rules = [
        obj("policy/v1", "PodDisruptionBudget", "database", DATA, spec={"maxUnavailable": 1, **chosen("database")}),
        obj(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "closed",
            DATA,
            spec={"podSelector": {}, "policyTypes": ["Ingress"]},
        ),
        obj("v1", "PersistentVolumeClaim", "archive", DATA, spec=disk),
    ]
    tls = obj(
        "v1",
        "Secret",
        "tls",
        DATA,
        type="kubernetes.io/tls",
        data={"tls.crt": encoded("certificate"), "tls.key": encoded("key")},
    )
    pulls = noted(
        obj(
            "v1",
            "Secret",
            "pulls",
            DATA,
            type="kubernetes.io/dockerconfigjson",
            data={".dockerconfigjson": encoded('{"auths":{}}')},
        ),
        owner="platform team",
    )
    return [
        database,
        headless,
        *rules,
        sent("database", [database, headless, *rules], DATA, **to(PUSH)),
        logs,
        sent("logs", [logs], DATA, **to(*BOTH)),
        once,
        sent("migrate", [once], DATA, **to(PULL)),
        nightly,
        sent("backup.nightly", [nightly], DATA, **to(PULL)),
        tls,
        pulls,
        obj(
            POLICY,
            "PropagationPolicy",
            "secrets",
            DATA,
            spec={"resourceSelectors": [{"apiVersion": "v1", "kind": "Secret"}], **to(PUSH)},
        ),
    ]


def cluster_wide():
    """Return objects without a namespace, a label selector across namespaces, and a definition with its objects."""
    role = obj(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "pods-reader",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    )
    urgency = obj("scheduling.k8s.io/v1", "PriorityClass", "urgent", value=1000, description="first of all")
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    definition = obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "lamps.example.com",
        spec={
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Lamp", "listKind": "LampList", "plural": "lamps", "singular": "lamp"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    )
    green, red = (
        obj("example.com/v1", "Lamp", name, SHOP, spec={"color": name, "on": "yes"}) for name in ("green", "red")
    )
    everywhere = {
        "resourceSelectors": [selector(role), selector(urgency), selector(definition)],
        **to(*BOTH),
    }
    edges = [labelled(deployment("edge", name), part="edge") for name in (SHOP, BACK)]
    by_label = {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"part": "edge"}}}
    return [
        role,
        urgency,
        definition,
        obj(POLICY, "ClusterPropagationPolicy", "platform", spec=everywhere),
        *edges,
        obj(POLICY, "ClusterPropagationPolicy", "edges", spec={"resourceSelectors": [by_label], **to(PULL)}),
        sent("lamps", [green, red], SHOP, **to(PUSH)),
    ], [green, red]


def overrides():
    """Return an override policy of one namespace, and a cluster-wide one."""
    image = {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.28"}]}
    label = {"labelsOverrider": [{"operator": "add", "value": {"site": "edge"}}]}
    args = {"argsOverrider": [{"containerName": "api", "operator": "add", "value": ["--verbose"]}]}
    far = {"targetCluster": {"clusterNames": [PULL]}}
    return [
        obj(
            POLICY,
            "OverridePolicy",
            "api-far",
            SHOP,
            spec={
                "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}],
                "overrideRules": [{**far, "overriders": {**image, **args}}],
            },
        ),
        obj(
            POLICY,
            "ClusterOverridePolicy",
            "sites",
            spec={
                "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": SHOP}],
                "overrideRules": [{**far, "overriders": label}],
            },
        ),
    ]


def autoscaled():
    """Return a Deployment with a FederatedHPA, and one with a HorizontalPodAutoscaler that is sent with it."""
    scaled = deployment("scaled", BACK, replicas=2)
    busy = labelled(deployment("busy", BACK, replicas=2), **{"resourcetemplate.karmada.io/retain-replicas": "true"})
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}

    def scaling(name):
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        return {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6, "metrics": [cpu]}

    hpa = obj("autoscaling/v2", "HorizontalPodAutoscaler", "busy", BACK, spec=scaling("busy"))
    return [
        scaled,
        sent("scaled", [scaled], BACK, **to(*BOTH, **divided(dynamicWeight="AvailableReplicas"))),
        obj("autoscaling.karmada.io/v1alpha1", "FederatedHPA", "scaled", BACK, spec=scaling("scaled")),
        busy,
        hpa,
        sent("busy", [busy, hpa], BACK, **to(PUSH)),
    ]


def own_kinds(version):
    """Return objects that only have an effect in the control plane."""
    found = [
        obj(f"{POLICY}", "FederatedResourceQuota", "limits", SHOP, spec={"overall": {"cpu": "100"}}),
    ]
    if version >= Version(1, 14):
        condition = {"conditionType": "Maintenance", "operator": "In", "statusValues": ["True"]}
        taint = {"key": "maintenance", "effect": "NoSchedule"}
        spec = {"taints": [taint], "addOnConditions": [condition]}
        found.append(obj(POLICY, "ClusterTaintPolicy", "maintenance", spec=spec))
    return found


def all_objects(version):
    """Return the objects for `kubectl apply`, `kubectl create` and `kubectl apply --server-side`, in this order.

    The last part needs a definition of the first part.
    """
    spaces = [obj("v1", "Namespace", name) for name in (SHOP, BACK, DATA)]
    wide, lamps = cluster_wide()
    return (
        [*spaces, *overrides(), *shop_objects(), *other_kinds(), *wide],
        [*divided_workloads(), *with_failover(version)],
        [*autoscaled(), *own_kinds(version), *lamps],
    )
