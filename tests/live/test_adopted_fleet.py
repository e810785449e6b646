"""A stack adopts a fleet of karmadactl and kubectl and releases it again, without restarts.

The three members are one in push mode, one in pull mode, and one whose join was interrupted. There are workloads with
policies of every kind, two overrides, autoscalers, a definition with its objects, and Secrets. The test prints what the
adoption has written.
"""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.karmada.versions import Version
from flotilla.kube.objects import is_true
from tests.contract.adoption import half_joined
from tests.contract.fleet import fleet_in, real_karmada
from tests.contract.karmada import eventually
from tests.live.by_karmadactl import Karmadactl
from tests.live.everything import everything, table, unchangeable, written
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture
from tests.live.twenty_workloads import all_objects

pytestmark = [pytest.mark.live, pytest.mark.timeout(1200)]

MEMBERS = ("member1", "member2", "member3")
LAMPS = 2
OWN_MARKS = ("pulumi.com/", "flotilla.dev/")
AUTHORS = {"resourcetemplate.karmada.io/retain-replicas"}
"""Labels of Karmada that people set."""


@pytest.fixture
def fleet(tmp_path_factory):
    """A fleet for each case, because released objects stay in its members."""
    found = real_karmada()
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")
    with fleet_in(tmp_path_factory.mktemp("adopted-fleet"), karmada_bin=found) as made:
        yield made


@pytest.fixture
def kubectl(fleet):
    """Run kubectl on the control plane, with objects as its input."""

    def run(*arguments, objects=()):
        command = ["kubectl", f"--kubeconfig={fleet.kubeconfigs / 'karmada.yaml'}", *arguments]
        text = yaml.safe_dump_all(objects) if objects else None
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(params=["embedded", "pulumi"])
def cli(request, monkeypatch):
    """Pulumi's CLI for a stack of the CLI; None for a stack of the embedded engine."""
    if request.param == "pulumi":
        return request.getfixturevalue("pulumi")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    return None


@pytest.fixture
def flotilla(fleet, cli, capsys, monkeypatch):
    """Run a verb of the stack `prod`; return the document that it prints."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of tests")
    chosen = "embedded" if cli is None else "pulumi"

    def run(verb, *options, engine=chosen):
        engines = [] if verb in ("adopt", "validate") else ["--engine", engine]
        code = main([verb, "-C", str(fleet.project), "-s", "prod", "--json", *engines, *options])
        printed = capsys.readouterr()
        assert code == 0, printed.err + printed.out[-6000:]
        return json.loads(printed.out)

    return run


def clusters(fleet):
    return fleet.connection("karmada").list("cluster.karmada.io/v1alpha1", "Cluster")


def make(fleet, kubectl, folder):
    """Create the fleet as people do: with three ways to apply, and later changes of labels and replicas."""
    karmadactl = Karmadactl(fleet, folder)
    karmadactl.join("member1", "--cluster-provider=onprem", "--cluster-region=eu", "--cluster-zones=eu-a")
    kubectl("label", "cluster", "member1", "site=core")
    karmadactl.register("member3")
    half_joined(fleet, "member2")
    eventually(lambda: [is_true(one, "Ready") for one in clusters(fleet)] == [True, True], seconds=90)
    applied, created, by_server = all_objects(Version.parse(fleet.version))
    kubectl("apply", "-f", "-", objects=applied)
    kubectl("create", "-f", "-", objects=created)
    kubectl("apply", "--server-side", "-f", "-", objects=by_server)
    # Before 1.12 Karmada looks for new kinds every 30 seconds.
    eventually(lambda: sum(key[:2] == ("member1", "Lamp") for key in everything(fleet)) == LAMPS, seconds=120)
    wait_until_settled(fleet)
    kubectl("annotate", "deployment", "lazy", "--namespace=back", "note=the policy acts from now on")
    kubectl("scale", "deployment", "cache", "--namespace=back", "--replicas=4")
    return wait_until_settled(fleet)


def wait_until_settled(fleet):
    """Wait until nothing changes any more and all replicas are ready; return all objects."""
    before = {}

    def at_rest():
        now = everything(fleet)
        before["last"], was = now, before.get("last")
        return was is not None and not written(was, now) and _all_run(now) and now

    return eventually(at_rest, seconds=180, problem="the fleet does not come to rest")


def _all_run(objects):
    return all(
        (obj.get("status") or {}).get("readyReplicas", 0) == obj["spec"]["replicas"]
        for (cluster, kind, *_), obj in objects.items()
        if kind in ("Deployment", "StatefulSet") and cluster in MEMBERS
    )


def of_workloads(objects):
    """Return what must not change of the workloads, in the members and the control plane, without the joins."""
    return {key: kept for key, kept in unchangeable(objects).items() if key[2] in ("shop", "back", "data")}


def assert_no_changes(cli, flotilla):
    """Assert that Pulumi's own verbs, and the embedded engine on the CLI's state, find no changes."""
    cli("preview", "--stack", "prod", "--expect-no-changes")
    cli("refresh", "--stack", "prod", "--preview-only", "--expect-no-changes")
    flotilla("preview", "--expect-no-changes", engine="embedded")


def test_a_fleet_of_karmadactl_and_kubectl_is_adopted_and_released(fleet, kubectl, flotilla, cli, tmp_path, capsys):
    before = make(fleet, kubectl, tmp_path)
    files = [f"--karmada-kubeconfig={fleet.kubeconfigs / 'karmada.yaml'}"]
    files += [f"--member-kubeconfig={name}={fleet.kubeconfigs / name}.yaml" for name in MEMBERS]
    adopted = flotilla("adopt", *files)
    assert adopted["counts"]["members"] == len(MEMBERS)
    assert {one["rule"] for one in adopted["findings"]} == {"token-cluster-admin"}
    flotilla("validate")

    plan = flotilla("preview", "--adopt")
    verbs = {one["name"]: one["verb"] for one in plan["clusters"]}
    assert verbs == {"member1": "adopted", "member2": "joins", "member3": "adopted"}
    changed = [(s["name"], c["path"]) for s in plan["steps"] if s["op"] == "adopt" for c in s.get("changes", [])]
    assert changed == []
    assert written(before, wait_until_settled(fleet)) == {}, "a preview changes nothing"

    flotilla("up", "--adopt", "--yes")
    flotilla("preview", "--expect-no-changes")
    flotilla("preview", "--refresh", "--expect-no-changes")
    if cli is not None:
        assert_no_changes(cli, flotilla)
    assert flotilla("drift")["findings"] == []
    after = wait_until_settled(fleet)
    counts = written(before, after)
    with capsys.disabled():
        sys.stdout.write(f"\nwritten by adopting a fleet on Karmada {fleet.version}:\n{table(counts)}\n")
    of_agent = ("member3", "Deployment", "karmada-system", "karmada-agent")
    assert unchangeable(after)[of_agent] == unchangeable(before)[of_agent]
    kept = unchangeable(after)
    assert {key: kept.get(key) for key, value in unchangeable(before).items() if kept.get(key) != value} == {}

    flotilla("release", "--all", "--yes")
    released = wait_until_settled(fleet)
    assert clusters(fleet) == []
    assert [key for key in released if key[1] in ("Work", "ResourceBinding", "ClusterResourceBinding")] == []
    running = {key: kept for key, kept in of_workloads(before).items() if key[0] in MEMBERS}
    assert {key: kept for key, kept in of_workloads(released).items() if key in running} == running
    assert marked(released) == []


def marked(objects):
    """Return members' objects with labels or annotations of Karmada or a stack, except copies by Kubernetes."""
    found = []
    for key, obj in objects.items():
        keys = {*(obj["metadata"].get("labels") or {}), *(obj["metadata"].get("annotations") or {})}
        marks = sorted(one for one in keys - AUTHORS if "karmada.io/" in one or one.startswith(OWN_MARKS))
        copied = key[1] in ("ReplicaSet", "ControllerRevision") or key[3].startswith("karmada-")
        if marks and not copied and key[0] in MEMBERS:
            found.append((key, marks))
    return found
