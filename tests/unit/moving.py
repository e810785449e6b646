"""A control plane in which workloads move. It acts on policies at once, as Karmada does, and records every write."""

import copy

from flotilla.karmada.moving.marks import MOVING
from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.scheduling import Current, Scheduler, decide, demand_of, facts_of, first_of
from flotilla.karmada.selection import claim_annotations
from flotilla.karmada.status.sharing import SharedReader
from flotilla.kube.objects import ObjectRef, ref_of
from tests.unit.planes import BINDING_ID, Plane, binding, cluster, live, web, work

MANAGER = "pulumi-kubernetes-0123abcd"
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}, "data": {}}


def owned(obj, manager=MANAGER, operation="Apply", **fields):
    """Return an object whose spec, or data, is owned by one field manager."""
    content = {f"f:{key}": tree(value) for key, value in obj.items() if key in ("spec", "data")}
    entry = {"manager": manager, "operation": operation, "fieldsV1": {**content, **fields}}
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}}


def tree(value):
    return {f"f:{key}": {} for key in value} if isinstance(value, dict) else {}


def policy(placement, *templates, name="web", **spec):
    selectors = [{"apiVersion": t["apiVersion"], "kind": t["kind"], "name": t["metadata"]["name"]} for t in templates]
    metadata = {"name": name, "namespace": "default"}
    body = {"apiVersion": POLICY_API, "kind": "PropagationPolicy", "metadata": metadata}
    return owned({**body, "spec": {"resourceSelectors": selectors, "placement": placement, **spec}})


class MovingPlane(Plane):
    """Holds one workload. `healthy` names the clusters whose copies become healthy, `dead` those that don't answer."""

    def __init__(self, placement, *templates, names="abc", healthy=None, dead=(), scheduler=None, **spec):
        self.templates = templates or (web(replicas=4),)
        self.healthy = set(names) if healthy is None else set(healthy)
        self.scheduler = scheduler or Scheduler()
        self.writes, self.seen = [], []
        sender = policy(placement, *self.templates, **spec)
        self.policy = ref_of(sender)
        super().__init__(*(self._cluster(name, ready=name not in dead) for name in names), sender)
        for one in self.templates:
            there = live(one)
            stored = there["metadata"].get("annotations") or {}
            there["metadata"] = {**there["metadata"], "annotations": {**stored, **claim_annotations(sender)}}
            self.objects[ref_of(one)] = owned(there)
        self.reconcile()
        self.writes.clear()
        self.seen.clear()

    @staticmethod
    def _cluster(name, *, ready):
        made = cluster(name, ready=ready)
        taint = {"key": "cluster.karmada.io/not-ready", "effect": "NoSchedule"}
        made["spec"]["taints"] = [] if ready else [taint]
        return made

    # -- requests ---------------------------------------------------------------------------------

    def apply(self, obj, *, field_manager, force):
        assert (field_manager, force) == (MANAGER, True)
        stored = self.objects[ref_of(obj)]
        annotations = obj["metadata"].get("annotations") or {}
        merged = {key: text for key, text in stored["metadata"].get("annotations", {}).items() if key != MOVING}
        metadata = {**stored["metadata"], "annotations": {**merged, **annotations}}
        self._take({**stored, "metadata": metadata, "spec": {**stored["spec"], **obj["spec"]}})

    def patch(self, ref, steps, *, kind, query):
        assert kind == "json"
        assert query == {"fieldManager": "pulumi-kubernetes"}
        obj = copy.deepcopy(self.objects[ref])
        for step in steps:
            *path, last = [part.replace("~1", "/") for part in step["path"].split("/")[1:]]
            at = obj
            for part in path:
                at = at[part]
            if step["op"] == "remove":
                del at[last]
            else:
                at[last] = step["value"]
        self._take(obj)

    def _take(self, obj):
        self.writes.append(ref_of(obj).kind)
        self.objects[ref_of(obj)] = obj
        self.reconcile()

    # -- Karmada ----------------------------------------------------------------------------------

    def reconcile(self):
        sender = self.objects[self.policy]
        clusters = [facts_of(one) for ref, one in self.objects.items() if ref.kind == "Cluster"]
        for declared in self.templates:
            self._place(self.objects[ref_of(declared)], sender["spec"]["placement"], clusters)
        self.seen.append({str(ref_of(one)): self.shares(one) for one in self.templates})

    def _place(self, template, placement, clusters):
        current = Current(self.shares(template))
        demand = demand_of(template, self.scheduler)
        found = dict(first_of(decide(clusters, placement, demand, current=current, scheduler=self.scheduler)))
        made = binding(template, list(found), placement=placement, healthy=[n for n in found if n in self.healthy])
        made["spec"]["clusters"] = [
            {"name": name, **({"replicas": count} if count is not None else {})} for name, count in found.items()
        ]
        if demand.replicas is not None:
            made["spec"]["replicas"] = demand.replicas
        self.objects = {ref: one for ref, one in self.objects.items() if not self._carries(one, template)}
        for name, count in found.items():
            sent = {key: value for key, value in template.items() if key != "status"}
            sent["metadata"] = {k: v for k, v in template["metadata"].items() if k not in ("managedFields", "uid")}
            if count is not None:
                sent["spec"] = {**template["spec"], "replicas": count}
            carried = work(sent, name, identity=made["metadata"]["labels"][BINDING_ID])
            carried["metadata"]["name"] = f"{template['kind'].lower()}-{template['metadata']['name']}"
            self.objects[ref_of(carried)] = carried
        made["metadata"]["labels"][BINDING_ID] = f"id-{template['kind']}-{template['metadata']['name']}"
        for one in self.objects.values():
            if self._carries(one, template):
                one["metadata"]["labels"][BINDING_ID] = made["metadata"]["labels"][BINDING_ID]
        self.objects[ref_of(made)] = made

    @staticmethod
    def _carries(obj, template):
        return obj["kind"] == "Work" and ref_of(obj["spec"]["workload"]["manifests"][0]) == ref_of(template)

    def shares(self, template):
        """Return the clusters to which a template is scheduled, with its replicas."""
        name = f"{template['metadata']['name']}-{template['kind'].lower()}"
        found = self.objects.get(ObjectRef("work.karmada.io/v1alpha2", "ResourceBinding", name, "default"))
        return {c["name"]: c.get("replicas") for c in found["spec"]["clusters"]} if found else {}

    @property
    def marked(self):
        return MOVING in self.objects[self.policy]["metadata"].get("annotations", {})

    @property
    def placement(self):
        return self.objects[self.policy]["spec"]["placement"]

    @property
    def replicas(self):
        return self.objects[ref_of(self.templates[0])]["spec"].get("replicas")


def reading(plane):
    return SharedReader(plane)
