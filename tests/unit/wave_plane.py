"""A control plane that suspends Works as a policy says, and a workload that changes in waves in it."""

import copy

from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.status import waiting
from flotilla.karmada.status.rollout import ClusterProgress, Progress
from flotilla.karmada.template_references import reference_to
from flotilla.karmada.waves import holding, running
from flotilla.karmada.waves.record import Store, reference
from flotilla.karmada.waves.subject import Subject
from flotilla.kube.connection import ApiError, KindNotServed
from flotilla.kube.objects import ObjectRef, ref_of
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, live, web, work

POLICY = ObjectRef(POLICY_API, "PropagationPolicy", "web", "default")
NAMES = ("m1", "m2", "m3")
RECORD = reference("default", "web")
STACK = "pulumi-kubernetes-12345678"


def written(obj):
    """Return an object as the API server stores it once a stack has applied it."""
    fields = {f"f:{key}": {} for key in obj if key not in ("apiVersion", "kind", "metadata")}
    entry = {"manager": STACK, "operation": "Apply", "fieldsV1": fields}
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}}


class Karmada(Plane):
    """Accepts writes, and suspends Works as the policy says."""

    def __init__(self, template):
        policy = {"apiVersion": POLICY_API, "kind": "PropagationPolicy", "metadata": {"name": "web"}}
        policy["metadata"]["namespace"] = "default"
        policy["spec"] = {"placement": EVERYWHERE, "resourceSelectors": []}
        super().__init__(
            *(cluster(name) for name in NAMES),
            written(policy),
            written(live(template)),
            binding(template, NAMES),
            *(work(template, name, identity="id-web") for name in NAMES),
        )
        self.refusing = 0
        """So many writes of policies from now on, the next one is refused; 0 for never."""
        self.custom = set()
        """Custom kinds that are served only while their definition is there."""
        self.suspensions = []

    def resource(self, api_version, kind):
        defined = any(one.kind == "CustomResourceDefinition" for one in self.objects)
        if (api_version, kind) in self.custom and not defined:
            raise KindNotServed(f"karmada serves no {kind} in {api_version}", status=404)

    def find(self, ref):
        self.resource(ref.api_version, ref.kind)
        return super().find(ref)

    def list(self, api_version, kind, **scope):
        self.resource(api_version, kind)
        return super().list(api_version, kind, **scope)

    def patch(self, ref, body, *, kind="merge", query=None):
        if ref == POLICY and self.refusing:
            self.refusing -= 1
            if not self.refusing:
                raise ApiError("karmada: it was killed here", status=500)
        if ref not in self.objects:
            raise ApiError("karmada: not there", status=404)
        merged(self.objects[ref], body)
        if ref == POLICY:
            self.suspensions.append(self.held_back())
            for one in self.objects.values():
                if one["kind"] == "Work":
                    member = one["metadata"]["namespace"].removeprefix("karmada-es-")
                    one["spec"]["suspendDispatching"] = member in self.held_back()
        return self.objects[ref]

    def create(self, obj, *, field_manager, dry_run=False):
        self.objects[ref_of(obj)] = copy.deepcopy(obj)

    def replace(self, obj, *, field_manager, dry_run=False):
        self.objects[ref_of(obj)] = copy.deepcopy(obj)

    def apply(self, obj, *, field_manager, force=False, dry_run=False):
        assert force
        assert field_manager == STACK, "fields keep their owner"
        self.resource(obj["apiVersion"], obj["kind"])
        self.objects[ref_of(obj)] = written(live(obj) if obj["kind"] == "Deployment" else obj)

    def delete(self, ref, *, propagation="Foreground", uid=None):
        self.resource(ref.api_version, ref.kind)
        self.objects.pop(ref, None)

    def held_back(self):
        suspension = self.objects[POLICY]["spec"].get("suspension") or {}
        return (suspension.get("dispatchingOnClusters") or {}).get("clusterNames") or []

    def image(self):
        return self.objects[ref_of(web())]["spec"]["template"]["spec"]["containers"][0]["image"]


def merged(obj, body):
    for key, value in body.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict):
            merged(obj.setdefault(key, {}), value)
        else:
            obj[key] = value


class Reader:
    def __init__(self, connection):
        self.connection = connection

    def read_for(self, declared):
        check = type("Check", (), {"objects": list(declared), "progress": lambda _self, snapshot: snapshot})()
        return check_once(check, self.connection)


class Change:
    """A workload, its declaration, and the clusters that don't become healthy with it."""

    def __init__(self, **strategy):
        self.strategy = {"waves": [{"clusters": [name]} for name in NAMES], **strategy}
        self.template = web()
        self.added = []
        """Templates that the change adds."""
        self.karmada = Karmada(self.template)
        self.sick = set()
        self.olds = None
        self.looks = []
        self.seconds = 0.05
        """The workload's timeout."""

    def declare(self, image):
        self.template = copy.deepcopy(self.template)
        self.template["spec"]["template"]["spec"]["containers"][0]["image"] = image

    @property
    def props(self):
        return {
            "workload": "web",
            "templates": [reference_to(one) for one in (self.template, *self.added)],
            "placement": EVERYWHERE,
            "overrideRules": [],
            "timeout": self.seconds,
            "rollout": {
                **self.strategy,
                "policies": [list(POLICY)],
                "overrides": [],
                "record": ["default", "web"],
            },
        }

    def look_for(self, inputs):
        suspended = (inputs["suspension"].get("dispatchingOnClusters") or {}).get("clusterNames") or []
        forwards = inputs["templates"] == self.props["templates"]

        def look():
            self.looks.append(sorted(set(NAMES) - set(suspended)))
            sick = self.sick if forwards else set()
            clusters = tuple(
                ClusterProgress(name, 2, 2, "unhealthy" if name in sick else "", unhealthy=name in sick)
                for name in self.looks[-1]
            )
            return [Progress(ref_of(self.template), clusters)]

        return look

    def run(self):
        waves = running.Waves(Reader(self.karmada), self.props, Subject.of(self.props), self.look_for, self.olds)
        try:
            return waves.run()
        finally:
            self.record = waves.record

    def up(self, image):
        """Perform one run: hold back, write, release."""
        before = self.props
        self.declare(image)
        if self.props["templates"] != before["templates"]:
            holding.hold(Reader(self.karmada), Subject.of(self.props), running.declaration_of(before))
            for one in (self.template, *self.added):
                self.karmada.apply(one, field_manager=STACK, force=True)
        return self.run()

    def stored(self):
        return Store(self.karmada, RECORD).read()


def without_repeats(listed):
    return [one for number, one in enumerate(listed) if number < 1 or one != listed[number - 1]]


def hurry(monkeypatch):
    """Limit every wait to a moment."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(waiting, "_LONGEST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(running, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(running, "_PERSON_SECONDS", 0.001)
    monkeypatch.setattr(holding, "_SETTLE_SECONDS", 0)
    monkeypatch.setattr(holding, "_POLL_SECONDS", 0)
