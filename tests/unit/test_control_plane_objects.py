"""Objects of the control plane itself: refusals, order, and owners of the replicas of autoscaled templates."""

import pytest
import yaml

from flotilla.karmada.control_plane_kinds import KINDS, Place, place_of
from flotilla.karmada.kinds import identity
from flotilla.karmada.scaling import scaler_of
from flotilla.karmada.versions import Version
from flotilla.kube.objects import ref_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.stackfile import manifest_names
from flotilla.workloads.control_plane import control_plane_of
from flotilla.workloads.control_plane_notices import object_notices
from flotilla.workloads.needs import known_kinds
from flotilla.workloads.notices import left_out
from flotilla.workloads.objects import manifests_of
from tests.unit.control_plane import AUTOSCALER, OBJECTS, REBALANCER, manifest, write

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "idle"}, "spec": {}}
CRON = {
    "apiVersion": "autoscaling.karmada.io/v1alpha1",
    "kind": "CronFederatedHPA",
    "metadata": {"name": "nightly"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "autoscaling.karmada.io/v1alpha1", "kind": "FederatedHPA", "name": "web"},
        "rules": [{"name": "night", "schedule": "0 20 * * *", "targetMinReplicas": 1}],
    },
}


@pytest.fixture
def parse(sections, project):
    """Parse a fleet with objects of the control plane; `version` is Karmada's version."""

    def parse(version="1.18.2", workloads=None, **files):
        given = {**sections, "controlPlane": {"kubeconfig": "kube.yaml"}, "objects": write(project, **files)}
        if version:
            given["controlPlane"]["version"] = version
        if workloads is not None:
            given["workloads"] = workloads
        return parse_fleet(given, base=project)

    return parse


@pytest.fixture
def refused(parse):
    """Return the one line of the error."""

    def refused(*objects, **arguments):
        with pytest.raises(ConfigError) as caught:
            parse(wrong=list(objects), **arguments)
        (problem,) = caught.value.problems
        assert problem.consequence
        assert problem.remedy
        return str(problem)

    return refused


def of(kind, api_version, name="one", **fields):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def test_object_that_runs_pods_is_refused_and_belongs_in_a_workload(refused):
    said = refused(DEPLOYMENT)
    assert "objects[0].manifests[0]" in said
    assert "Deployment idle is listed among the objects of the control plane" in said
    assert "it would run nowhere" in said
    assert "list its file in the `manifests` of a workload" in said


def test_objects_of_controllers_are_refused_with_their_group(refused):
    """Regression: the message was `exported objects of {group} are no source`, without the group."""
    said = refused(of("ResourceBinding", "work.karmada.io/v1alpha2", spec={"resource": {}}))
    assert "ResourceBinding one is created by Karmada's controllers" in said
    assert "exported objects of work.karmada.io can't be declared" in said


def test_empty_file_in_a_folder_is_skipped_and_a_folder_without_objects_is_refused(sections, project):
    folder = project / "folder"
    folder.mkdir()
    (folder / "empty.yaml").write_text("# later\n")
    given = {**sections, "objects": [{"name": "platform", "manifests": ["folder"]}]}
    with pytest.raises(
        ConfigError, match=r"objects\[0\].manifests: contain no object; there would be nothing to declare"
    ):
        parse_fleet(given, base=project)
    (folder / "role.yaml").write_text(yaml.safe_dump(of("ClusterRole", "rbac.authorization.k8s.io/v1", rules=[])))
    assert parse_fleet(given, base=project).objects


@pytest.mark.parametrize(
    ("api_version", "kind", "remedy"),
    [
        ("cluster.karmada.io/v1alpha1", "Cluster", "under `flotilla:members`"),
        ("policy.karmada.io/v1alpha1", "PropagationPolicy", "`policies` of the workload"),
        ("policy.karmada.io/v1alpha1", "ClusterOverridePolicy", "`policies` of the workload"),
        ("work.karmada.io/v1alpha1", "Work", "remove it"),
        ("apps.karmada.io/v1alpha1", "Rebalancer", "correct apiVersion and kind"),
        ("autoscaling.karmada.io/v1", "FederatedHPA", "write it in autoscaling.karmada.io/v1alpha1"),
        ("batch/v1", "Job", "`manifests` of a workload"),
        ("v1", "Pod", "`manifests` of a workload"),
    ],
)
def test_kind_that_belongs_elsewhere_is_refused_with_the_right_place(refused, api_version, kind, remedy):
    assert remedy in refused(of(kind, api_version))


@pytest.mark.parametrize("kind", [*KINDS, ("kyverno.io", "ClusterPolicy"), ("", "ConfigMap"), ("", "ServiceAccount")])
def test_every_kind_that_acts_in_the_control_plane_is_accepted(kind):
    assert place_of(of(kind[1], f"{kind[0]}/v1" if kind[0] else "v1")) is Place.CONTROL_PLANE


def test_kind_unknown_to_an_older_karmada_is_refused_by_name(parse, refused):
    policy = next(one for one in yaml.safe_load_all(OBJECTS) if one["kind"] == "ClusterTaintPolicy")
    assert "ClusterTaintPolicy flotilla-lost needs Karmada 1.14 or newer, and this is 1.13" in refused(
        policy, version="1.13"
    )
    assert "the stack doesn't give its version" in refused(policy, version=None)
    assert parse(version="1.14.0", fine=[policy])


def test_field_unknown_to_an_older_karmada_is_refused_by_name(refused):
    customization = of(
        "ResourceInterpreterCustomization",
        "config.karmada.io/v1alpha1",
        spec={"customizations": {"componentResource": {"luaScript": "x"}}},
    )
    said = refused(customization, version="1.14.3")
    assert "spec.customizations.componentResource of ResourceInterpreterCustomization one needs Karmada 1.15" in said


def test_table_of_karmadas_kinds_agrees_with_the_published_definitions(published):
    """The table has the first version, the scope and the name of each kind. Another program serves ResourceRegistry."""
    version = Version.parse(published.name)
    found = {}
    for file in (published / "crds").glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        served = [one["name"] for one in spec["versions"] if one["served"]]
        key = (spec["group"], spec["names"]["kind"])
        found[key] = (spec["names"]["plural"], spec["scope"] == "Namespaced", served)
    for kind, own in KINDS.items():
        if kind[0] == "search.karmada.io":
            continue
        if version < own.since:
            assert kind not in found
        else:
            assert found[kind] == (own.plural, own.namespaced, [own.version])
    placed = {place_of(of(kind, f"{group}/v1")) for group, kind in found}
    assert Place.UNKNOWN not in placed


def test_a_namespace_that_goes_to_every_member_is_refused(parse, refused):
    assert "is propagated to every member by Karmada itself" in refused(of("Namespace", "v1", "team"))
    assert "is created by Karmada or Kubernetes" in refused(of("Namespace", "v1", "karmada-system"))
    labels = {"namespace.karmada.io/skip-auto-propagation": "true"}
    assert parse(fine=[{**of("Namespace", "v1"), "metadata": {"name": "team", "labels": labels}}])


def test_objects_in_karmadas_own_namespaces_are_refused(refused):
    secret = of("ConfigMap", "v1")
    for namespace in ("karmada-cluster", "karmada-es-member1"):
        said = refused({**secret, "metadata": {"name": "one", "namespace": namespace}})
        assert f"is in the namespace {namespace}" in said


def test_a_rebalancer_that_deletes_itself_is_refused(refused):
    said = refused(manifest(REBALANCER, ttlSecondsAfterFinished=60))
    assert "every later `up` would create it and divide again" in said


def test_a_service_without_pods_is_refused(parse, refused):
    assert "selects pods" in refused(of("Service", "v1", spec={"selector": {"app": "web"}}))
    assert parse(fine=[of("Service", "v1", spec={"type": "ExternalName", "externalName": "hook.example.org"})])


def test_object_that_is_listed_twice_is_refused(parse, refused, project):
    assert "is listed twice" in refused(of("ConfigMap", "v1"), of("ConfigMap", "v1"))
    with pytest.raises(ConfigError, match="is listed by 'one' too"):
        parse(one=[of("ConfigMap", "v1")], two=[of("ConfigMap", "v1")])
    (project / "settings.yaml").write_text(yaml.safe_dump(of("ConfigMap", "v1")))
    workload = {"name": "settings", "manifests": ["settings.yaml"], "placement": {}}
    with pytest.raises(ConfigError, match="ConfigMap default/one is also listed by the workload 'settings'"):
        parse(workloads=[workload], one=[of("ConfigMap", "v1")])


def test_two_owners_of_replicas_are_reported(parse, refused):
    both = [manifest(AUTOSCALER), {**manifest(AUTOSCALER), "metadata": {"name": "other"}}]
    assert "FederatedHPA other and FederatedHPA web both scale Deployment default/nginx" in refused(*both)
    workload = {"name": "nginx", "image": "nginx:1.27", "placement": {}, "autoscaled": True}
    said = refused(manifest(AUTOSCALER), workloads=[workload])
    assert "FederatedHPA web scales Deployment default/nginx, and the workload 'nginx' has `autoscaled: true`" in said


def test_file_that_is_no_manifest_is_reported_with_its_entry(parse, sections, project):
    with pytest.raises(ConfigError, match=r"objects\[0\].manifests\[0\]: \"wrong.yaml\" — a document has no kind"):
        parse(wrong="apiVersion: v1")
    sections["objects"] = [{"name": "absent", "manifests": ["absent.yaml"]}]
    with pytest.raises(ConfigError, match=r"objects\[0\].manifests\[0\]: .*absent.yaml"):
        parse_fleet(sections, base=project)
    sections["objects"] = [{"name": "empty", "manifests": []}]
    with pytest.raises(ConfigError, match=r"objects\[0\].manifests: must name at least one file"):
        parse_fleet(sections, base=project)


def test_object_of_karmada_in_a_workload_is_refused_with_the_right_place(sections, project):
    (project / "scaler.yaml").write_text(AUTOSCALER)
    sections["workloads"] = [{"name": "web", "manifests": ["scaler.yaml"], "placement": {}}]
    with pytest.raises(ConfigError, match="list objects of the control plane itself under `flotilla:objects`"):
        parse_fleet(sections, base=project)


def declared(fleet, project):
    return control_plane_of(fleet, ManifestFiles(project))


def test_objects_are_declared_in_dependency_order(parse, project):
    plane = declared(parse(platform=OBJECTS + "---" + AUTOSCALER + "---" + REBALANCER), project)
    names = [str(ref_of(one.obj)) for one in plane.first()]
    assert names[0] == "Namespace team"
    assert set(names[1:3]) == {"ClusterRole flotilla-viewer", "ClusterRoleBinding flotilla-viewers"}
    assert set(names[3:]) == {
        "ClusterTaintPolicy flotilla-lost",
        "FederatedResourceQuota team/quota",
        "ResourceInterpreterCustomization flotilla-gadgets",
    }
    scaler, rebalancer = plane.last()
    nginx = ("apps", "Deployment", "default", "nginx")
    assert scaler.obj["metadata"] == {"name": "web", "namespace": "default"}
    assert nginx in scaler.after
    assert (rebalancer.rollouts, nginx in rebalancer.after) == (("nginx",), True)
    quota = next(one for one in plane.objects if one.obj["kind"] == "FederatedResourceQuota")
    assert ("", "Namespace", "", "team") in quota.after


def test_object_in_a_namespace_of_a_workload_is_declared_after_it(parse, project):
    (project / "team.yaml").write_text(yaml.safe_dump(of("Namespace", "v1", "team")))
    workload = {"name": "spaces", "manifests": ["team.yaml"], "placement": {}}
    quota = next(one for one in yaml.safe_load_all(OBJECTS) if one["kind"] == "FederatedResourceQuota")
    role = {**of("Role", "rbac.authorization.k8s.io/v1"), "metadata": {"name": "one", "namespace": "team"}}
    plane = declared(parse(workloads=[workload], quotas=[quota, role, of("ConfigMap", "v1")]), project)
    assert [one.obj["kind"] for one in plane.first()] == ["ConfigMap"]
    assert {one.obj["kind"] for one in plane.last()} == {"FederatedResourceQuota", "Role"}


def test_template_is_annotated_with_the_autoscaler_that_owns_its_replicas(parse, project):
    fleet = parse(scaling=[manifest(AUTOSCALER)])
    (workload,) = fleet.workloads
    files = ManifestFiles(project)
    kinds = known_kinds(fleet, files, None).kinds
    (marked,) = declared(fleet, project).marked(workload, manifests_of(workload, files), kinds)
    assert scaler_of(marked) == "FederatedHPA web"
    (plain,) = declared(parse(), project).marked(workload, manifests_of(workload, files), kinds)
    assert scaler_of(plain) == ""


def test_cron_autoscaler_owns_the_bounds_of_its_target_autoscaler(parse, project):
    plane = declared(parse(scaling=[CRON, manifest(AUTOSCALER)]), project)
    ignored = {one.obj["kind"]: one.ignored for one in plane.objects}
    assert ignored == {"FederatedHPA": ("spec.minReplicas", "spec.maxReplicas"), "CronFederatedHPA": ()}
    cron = next(one for one in plane.objects if one.obj["kind"] == "CronFederatedHPA")
    assert ("autoscaling.karmada.io", "FederatedHPA", "default", "web") in cron.after
    kinds = [one.obj["kind"] for one in plane.objects]
    assert kinds == ["FederatedHPA", "CronFederatedHPA"]


def test_object_without_any_effect_is_reported(parse, project):
    elsewhere = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}}
    service = of("MultiClusterService", "networking.karmada.io/v1alpha1", spec={"types": ["CrossCluster"]})
    export = of("ServiceExport", "multicluster.x-k8s.io/v1alpha1")
    fleet = parse(some=[manifest(AUTOSCALER, **elsewhere), service, export])
    said = object_notices(fleet, ManifestFiles(project))
    assert len(said) == 3
    assert "FederatedHPA default/web scales Deployment default/other, which this stack doesn't declare" in said[0]
    assert "MultiClusterService default/one does nothing unless the feature gate MultiClusterService" in said[1]
    assert "ServiceExport default/one stays in the control plane" in said[2]


def test_kinds_defined_by_these_objects_are_known_to_workloads(parse, project):
    definition = {
        **of("CustomResourceDefinition", "apiextensions.k8s.io/v1", "gadgets.example.org"),
        "spec": {
            "group": "example.org",
            "scope": "Cluster",
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    fleet = parse(kinds=[definition, {**of("Gadget", "example.org/v1"), "metadata": {"name": "g", "namespace": "x"}}])
    assert known_kinds(fleet, ManifestFiles(project), None).kinds.has_namespace(("example.org", "Gadget")) is False
    gadget = next(one for one in declared(fleet, project).objects if one.obj["kind"] == "Gadget")
    assert identity(gadget.obj) == ("example.org", "Gadget", "", "g")
    assert identity(definition) in gadget.after


def test_fields_set_by_another_cluster_in_an_exported_object_are_left_out(parse, project):
    exported = of("ConfigMap", "v1")
    exported["metadata"] |= {"uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
    fleet = parse(settings=[exported])
    (one,) = declared(fleet, project).objects
    assert one.obj["metadata"] == {"name": "one", "namespace": "default"}
    (said,) = left_out(fleet, ManifestFiles(project))
    assert said.startswith("objects settings: 1 object exported from a cluster (ConfigMap")


def test_folders_and_patterns_are_expanded_to_files(sections, project):
    (project / "own").mkdir()
    for name in ("a", "b"):
        (project / "own" / f"{name}.yaml").write_text(yaml.safe_dump(of("ConfigMap", "v1", name)))
    sections["objects"] = [{"name": "own", "manifests": ["own"]}]
    fleet = parse_fleet(sections, base=project)
    assert [one.obj["metadata"]["name"] for one in declared(fleet, project).objects] == ["a", "b"]


def test_plan_digest_covers_the_files_of_these_objects(tmp_path):
    stack = {"config": {"flotilla:objects": [{"name": "one", "manifests": ["a.yaml"]}, "?"]}}
    (tmp_path / "Pulumi.test.yaml").write_text(yaml.safe_dump(stack))
    assert manifest_names(tmp_path / "Pulumi.test.yaml", tmp_path) == {"a.yaml"}
