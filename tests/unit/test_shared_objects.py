"""Workloads that use objects of other workloads: clusters that lack these objects are reported before a run."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.workloads.shared import shared_notices


def config_map(name="common", **meta):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {"a": "b"}}


def using(name, pod, replicas=2):
    pod = {"containers": [{"name": "a", "image": "nginx:1.27", **pod.pop("container", {})}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def common(**reference):
    return {"container": {"envFrom": [{"configMapRef": {"name": "common", **reference}}]}}


@pytest.fixture
def reported_lines(project, sections):
    def reported_lines(*workloads, own=()):
        listed = []
        for name, objects, placement, *more_keys in workloads:
            (project / f"{name}.yaml").write_text("---\n".join(yaml.safe_dump(one) for one in objects))
            keys = more_keys[0] if more_keys else {}
            listed.append({"name": name, "manifests": [f"{name}.yaml"], "placement": placement, **keys})
        (project / "own.yaml").write_text(yaml.safe_dump_all(own))
        groups = {"objects": [{"name": "own", "manifests": ["own.yaml"]}]} if own else {}
        given = {**sections, "workloads": listed, **groups}
        given["controlPlane"] = {**given["controlPlane"], "version": "1.18.2"}
        files = ManifestFiles(project)
        return shared_notices(parse_fleet(given, base=project, manifests=files), files)

    return reported_lines


BOTH, ONE, TWO = ({"clusters": names} for names in (["member1", "member2"], ["member1"], ["member2"]))


def test_cluster_without_another_workloads_config_map_is_reported(reported_lines):
    """The shared ConfigMap of three workloads is placed on fewer clusters than its users.

    Regression: nothing reported it.
    """
    found = reported_lines(
        ("base", [config_map()], ONE),
        ("front", [using("front", common())], ONE),
        ("back", [using("back", common())], BOTH),
    )
    (line,) = found
    assert line == (
        "workload back uses ConfigMap default/common of workload base, which doesn't go to member2: add the cluster to "
        "base's placement, or set `dependencies: true` for back"
    )


def test_placement_on_all_clusters_of_the_users_is_enough(reported_lines):
    assert reported_lines(("base", [config_map()], BOTH), ("back", [using("back", common())], TWO)) == []


def test_follower_of_a_user_is_not_missing(reported_lines):
    """`dependencies: true` sends the ConfigMap along, also for another workload in the same cluster."""
    base = ("base", [config_map()], ONE)
    back = ("back", [using("back", common())], TWO, {"dependencies": True})
    assert reported_lines(base, back) == []
    assert reported_lines(base, back, ("third", [using("third", common())], BOTH)) == []


def test_each_kind_of_reference_is_checked(reported_lines):
    pod = {
        "serviceAccountName": "runner",
        "imagePullSecrets": [{"name": "pull"}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}],
    }
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}, "spec": {}},
    ]
    found = reported_lines(("base", objects, ONE), ("front", [using("front", pod)], TWO))
    assert [line.split(" of workload base")[0] for line in found] == [
        f"workload front uses {kind}"
        for kind in ("PersistentVolumeClaim default/disk", "Secret default/pull", "ServiceAccount default/runner")
    ]


def test_object_that_nobody_declares_is_reported_in_one_weaker_line(reported_lines):
    (line,) = reported_lines(("front", [using("front", {**common(), "imagePullSecrets": [{"name": "pull"}]})], BOTH))
    assert line == (
        "workload front uses ConfigMap default/common, Secret default/pull, which no workload of this stack declares: "
        "they have to exist in member1, member2 already"
    )
    (line,) = reported_lines(("front", [using("front", common())], ONE, {"dependencies": True}))
    assert line.endswith("it has to exist in the control plane, from where it follows, or in member1 already")


@pytest.mark.parametrize(
    "pod",
    [
        common(optional=True),
        {"serviceAccountName": "default"},
        {"volumes": [{"name": "ca", "configMap": {"name": "kube-root-ca.crt"}}]},
    ],
)
def test_default_objects_and_optional_references_are_not_missing(reported_lines, pod):
    assert reported_lines(("front", [using("front", dict(pod))], BOTH)) == []
    assert reported_lines(("base", [config_map()], ONE), ("front", [using("front", dict(pod))], BOTH)) == []


def test_object_of_the_same_name_in_another_namespace_is_another_object(reported_lines):
    (line,) = reported_lines(
        ("base", [config_map()], BOTH), ("back", [using("back", common())], ONE, {"namespace": "shop"})
    )
    assert "ConfigMap shop/common, which no workload of this stack declares" in line


def test_report_is_uncertain_where_only_karmada_knows_the_clusters(reported_lines):
    """The report says that a workload divided by free capacity may run there."""
    spread = {"replicas": "aggregated"}
    (line,) = reported_lines(("base", [config_map()], ONE), ("front", [using("front", common())], spread))
    assert "which doesn't go to member2, where front may run: add" in line
    front = ("front", [using("front", common())], spread, {"dependencies": True})
    assert reported_lines(("base", [config_map()], ONE), front, ("back", [using("back", common())], TWO)) == []


def test_secret_created_by_a_controller_is_where_its_object_is(reported_lines):
    external = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "database"},
        "spec": {"target": {"name": "pull"}},
    }
    pulling = using("front", {"imagePullSecrets": [{"name": "pull"}]})
    assert reported_lines(("base", [external], BOTH), ("front", [pulling], TWO)) == []
    (line,) = reported_lines(("base", [external], ONE), ("front", [pulling], TWO))
    assert "Secret default/pull of workload base, which doesn't go to member2" in line


def test_control_plane_object_follows_its_users(reported_lines):
    """A shared ConfigMap may be declared in `flotilla:objects`, and follow the workloads that use it."""
    own = config_map(namespace="default")
    front = ("front", [using("front", common())], ONE, {"dependencies": True})
    back = ("back", [using("back", common())], BOTH)
    assert reported_lines(front, own=[own]) == []
    (line,) = reported_lines(front, back, own=[own])
    assert line == (
        "workload back uses ConfigMap default/common of the control plane (`flotilla:objects`), which doesn't go to "
        "member2: set `dependencies: true` for back"
    )


def test_validate_prints_the_report(project, sections, capsys):
    (project / "base.yaml").write_text(yaml.safe_dump(config_map()))
    (project / "back.yaml").write_text(yaml.safe_dump(using("back", common())))
    workloads = [
        {"name": "base", "manifests": ["base.yaml"], "placement": ONE},
        {"name": "back", "manifests": ["back.yaml"], "placement": BOTH},
    ]
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text("name: flotilla\nruntime: python\nstackConfigDir: stacks\n")
    config = {f"flotilla:{key}": value for key, value in {**sections, "workloads": workloads}.items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    assert main(["validate", "-C", str(project), "-s", "dev", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("which doesn't go to member2" in note for note in notes)
