"""The whole program on the embedded engine, with clusters that are kept in a dict.

The provider notes every write and the kubeconfig that it used.
"""

import base64
import copy
import gzip
import json
import shutil

import pytest
import yaml
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult

from components import membership, move, rollout, served_kinds, withdrawal
from components.ends import EndProvider
from flotilla.cli.main import main
from flotilla.engine import registry
from flotilla.errors import ClusterError
from flotilla.kube.objects import ref_of
from flotilla.providers import Live
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.providers.objects import object_id
from flotilla.state import crypto
from flotilla.state.backend import StackFiles
from flotilla.state.diff import Diff, compare
from flotilla.state.urns import name_of
from tests.conftest import REPOSITORY
from tests.unit.conftest import answering


class World:
    """The objects of every cluster, by the provider's name and the object."""

    def __init__(self):
        self.objects = {}
        self.writes = []
        """Provider, kubeconfig's server and object of every write since the last look."""
        self.broken = set()
        """Names of objects whose next write fails."""
        self.version = 0

    def provider(self, urn, inputs):
        return _Provider(self, name_of(urn), str(inputs.get("kubeconfig")))

    def of(self, kind, name=None):
        """Return objects of a kind by name, from any cluster; with a name, return that object."""
        found = {ref.name: obj for (_, ref), obj in self.objects.items() if ref.kind == kind}
        return found if name is None else found[name]

    def since(self):
        """Return the writes since the last call: names of objects with the servers that got them."""
        found, self.writes = self.writes, []
        return {(name, server) for _, server, name in found}


class _Provider:
    def __init__(self, world, cluster, kubeconfig):
        self._world, self._cluster = world, cluster
        document = yaml.safe_load(kubeconfig) if kubeconfig.startswith(("{", "apiVersion")) else {}
        self._server = document["clusters"][0]["cluster"]["server"] if document else kubeconfig[:20]
        self._judge = KubernetesProvider(lambda: None)

    def check(self, urn, old, inputs):
        return self._judge.check(urn, old, inputs)

    def diff(self, old, inputs):
        return Diff(tuple(compare(old.plain, inputs)), False)

    def dry_run(self, old, inputs):
        return ""

    def creation_token(self):
        return "token"

    def _write(self, inputs):
        ref = ref_of(inputs)
        if ref.name in self._world.broken:
            self._world.broken.discard(ref.name)
            raise ClusterError(f"{ref} can't be written", cluster=self._cluster)
        self._world.writes.append((self._cluster, self._server, ref.name))
        self._world.version += 1
        kept = self._world.objects.get((self._cluster, ref), {})
        made = copy.deepcopy(inputs)
        made["metadata"]["uid"] = kept.get("metadata", {}).get("uid") or f"uid-{self._world.version}"
        if inputs.get("type") == "kubernetes.io/service-account-token":
            made["data"] = kept.get("data") or {
                key: base64.b64encode(f"{key} {self._world.version}".encode()).decode()
                for key in ("token", "ca.crt", "namespace")
            }
        self._world.objects[self._cluster, ref] = made
        return Live(object_id(inputs), copy.deepcopy(made), copy.deepcopy(inputs))

    def create(self, urn, inputs, *, timeout, adopt):
        return self._write(inputs)

    def update(self, old, inputs, *, timeout):
        return self._write(inputs)

    def delete(self, old, *, timeout):
        self._world.writes.append((self._cluster, self._server, ref_of(old.plain).name))
        self._world.objects.pop((self._cluster, ref_of(old.plain)), None)

    def read(self, urn, resource_id, old):
        live = self._world.objects.get((self._cluster, ref_of(old.plain)))
        return Live(resource_id if live else "", copy.deepcopy(live or {}), dict(old.plain))

    def recover(self, urn, inputs, token):
        return Live("", {})


@pytest.fixture
def world(monkeypatch):
    """Clusters in a dict, where every wait ends at once."""
    made = World()
    monkeypatch.setattr(registry, "_kubernetes", made.provider)
    moving = (rollout.RolloutProvider, move.MoveProvider)
    waits = (*moving, membership.MembershipProvider, served_kinds.ServedKindsProvider)
    for provider in waits:
        monkeypatch.setattr(provider, "create", lambda _, props: CreateResult(id_="made", outs=dict(props)))
        monkeypatch.setattr(provider, "update", lambda _, _id, _olds, news: UpdateResult(outs=dict(news)))
    for provider in moving:
        monkeypatch.setattr(provider, "read", lambda _, id_, props: ReadResult(id_, dict(props)))
    for provider in (membership.MembershipProvider, withdrawal.WithdrawalProvider, EndProvider):
        monkeypatch.setattr(provider, "delete", lambda *_: None)
    monkeypatch.setattr(crypto, "_ITERATIONS", 1000)  # the real number of rounds (a million) is not needed in tests
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    answering(monkeypatch)
    return made


@pytest.fixture
def run(world, stack, project, capsys):
    """Run a verb on the stack `dev` and return its JSON document."""
    shutil.copy(REPOSITORY / "__main__.py", project / "__main__.py")

    def run(verb, *words, expect=0, engine="embedded"):
        engines = ["--engine", engine] if verb not in ("history", "state") else []
        code = main([*verb.split(), "-C", str(project), "-s", "dev", *engines, "--json", *words])
        captured = capsys.readouterr()
        assert code == expect, (captured.err, captured.out[-3000:])
        assert "Traceback" not in captured.err
        return json.loads(captured.out)

    return run


def changed(sections, **workload):
    found = copy.deepcopy(sections)
    found["workloads"][0] |= workload
    return found


def image(world, name="nginx"):
    return world.of("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


def obj(api_version, kind, name, namespace=None, **content):
    within = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **within}, **content}


def deployment(name, image_, namespace="default"):
    pods = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "one", "image": image_}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": name}}, "template": pods}
    return obj("apps/v1", "Deployment", name, namespace, spec=spec)


def stored(world):
    """Return the objects of every cluster, without fields that the API server generates."""
    found = copy.deepcopy(world.objects)
    for one in found.values():
        one["metadata"].pop("uid")
    return found


@pytest.fixture
def two(run, stack, sections):
    """A stack whose second update went wrong."""
    run("up", "--yes")
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")


def kept(project):
    return {file: file.read_bytes() for file in (project / ".flotilla").rglob("*") if file.is_file()}


def entries(project, form="history"):
    return sorted((project / ".flotilla" / "state" / ".pulumi" / "history" / "flotilla" / "dev").glob(f"*.{form}.*"))


@pytest.fixture
def kill(monkeypatch, run, world):
    """Run a verb that is killed at the write of an object; the state files then lack only the entry of this update."""

    def kill(verb, name, *, note=True):
        with monkeypatch.context() as patch:
            patch.setattr(StackFiles, "add_history", lambda *_, **__: None)
            if not note:
                patch.setattr(StackFiles, "begin", lambda *_: None)
            world.broken = {name}
            run(verb, "--yes", expect=1)

    return kill


def gunzipped(content):
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode(errors="replace")
