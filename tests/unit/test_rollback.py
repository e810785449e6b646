"""`flotilla rollback`: the declaration of an earlier update is planned and applied, with current access data."""

# ruff: noqa: F811 - fixtures are arguments here

import base64
import copy

import pulumi
import pytest
import yaml

from components import configuration, join, karmada_control_plane
from flotilla.agent import Toolbox, Workplace
from flotilla.agent.tool import Refused
from flotilla.deploy.interface import EngineName
from flotilla.state.crypto import PassphraseCrypter
from tests.renderers import DEPLOYMENT as CHART
from tests.renderers import Programs, write_chart
from tests.sops_stand_in import sealed
from tests.unit.in_memory import (  # noqa: F401 - some are fixtures
    changed,
    deployment,
    gunzipped,
    image,
    kept,
    obj,
    run,
    stored,
    two,
    world,
)


def test_default_target_is_the_update_before(run, world, stack, sections):
    run("up", "--yes")
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")
    assert image(world) == "nginx:broken"
    plan = run("rollback", "--yes")
    assert plan["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"
    assert "still declares what was rolled back (workloads: nginx)" in plan["stillDeclared"]


def definition(kind="Widget"):
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": versions}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{names['plural']}.example.org", spec=spec)


def policy(name, *selected):
    selectors = [{"apiVersion": api, "kind": kind, "name": one} for api, kind, one in selected]
    spec = {"resourceSelectors": selectors, "placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}
    return obj("policy.karmada.io/v1alpha1", "PropagationPolicy", name, "default", spec=spec)


@pytest.fixture
def files(project):
    """Write manifest files, given by their name without the suffix."""

    def write(**listed):
        for name, objects in listed.items():
            (project / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))

    return write


RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
SHOP = (
    obj("v1", "Namespace", "shop"),
    definition(),
    obj("example.org/v1", "Widget", "one", "shop", spec={"size": 1, "ratio": 0.5, "text": "1e3"}),
    deployment("web", "web:1", "shop"),
    obj("v1", "Secret", "token", "shop", stringData={"key": "hunter2-of-then"}),
    obj("v1", "ConfigMap", "settings", data={"mode": "then"}),
    obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", rules=RULES),
)  # fmt: skip
SCALER = obj(
    "autoscaling.karmada.io/v1alpha1", "FederatedHPA", "web", "shop",
    spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1,
          "maxReplicas": 9, "metrics": []},
)  # fmt: skip


@pytest.fixture
def everything(sections, files, stack):
    """Write a stack with every kind of source that needs no program; return its sections, to be changed."""
    files(
        shop=SHOP,
        own=[SCALER],
        given=[deployment("a", "a:1"), deployment("b", "b:1")],
        policies=[policy("front", ("apps/v1", "Deployment", "a")), policy("back", ("apps/v1", "Deployment", "b"))],
    )
    everywhere = {"clusters": ["member1", "member2"]}
    sections["workloads"] += [
        {
            "name": "shop", "namespace": "shop", "manifests": ["shop.yaml"], "placement": everywhere,
            "onRemoval": "keep", "after": ["nginx"],
            "overrides": [{"clusters": ["member1"], "labels": {"site": "one"}}],
        },
        {"name": "given", "manifests": ["given.yaml"], "policies": ["policies.yaml"]},
    ]  # fmt: skip
    sections["objects"] = [{"name": "own", "manifests": ["own.yaml"]}]
    sections["controlPlane"]["version"] = "1.18.2"
    stack(sections)
    return sections


def test_rollback_to_the_current_declaration_changes_nothing(run, everything):
    """The objects come from the state instead of the files; declared again, they must be equal."""
    run("up", "--yes")
    plan = run("rollback", "--to", "1", "--preview-only")
    assert [(step["op"], step["name"], step.get("changes")) for step in plan["steps"] if step["op"] != "same"] == []


def test_every_object_is_restored_whatever_the_files_contain_now(run, world, everything, files, stack):
    run("up", "--yes")
    before = stored(world)
    files(
        shop=[
            *SHOP[:2],
            deployment("web", "web:2", "shop"),
            obj("v1", "Secret", "token", "shop", data={"key": "bm93"}),
        ],
        own=[],
        given=[deployment("a", "a:2"), deployment("b", "b:2")],
        policies=[policy("all", ("apps/v1", "Deployment", "a"), ("apps/v1", "Deployment", "b"))],
    )
    after = copy.deepcopy(everything)
    after["workloads"] = after["workloads"][1:]
    after["workloads"][0].pop("after")
    del after["objects"]
    stack(after)
    run("up", "--yes")
    assert stored(world) != before
    run("rollback", "--yes")
    assert stored(world) == before
    (entry,) = run("history")["updates"][2:]
    assert (entry["kind"], entry["result"], entry["backTo"]) == ("update", "succeeded", 1)
    assert run("rollback", "--to", "3", "--preview-only")["summary"].keys() == {"same"}


def test_rollback_is_planned_confirmed_and_bound_to_its_digest_like_up(run, world, two, project):
    before = kept(project)
    plan = run("rollback", "--preview-only")
    assert plan["workloads"][0]["verb"] == "changes"
    assert run("rollback", expect=2)["error"]["kind"] == "not-confirmed"
    assert run("rollback", "--plan", "f" * 32, expect=1)["error"]["kind"] == "plan-changed"
    assert (kept(project), image(world)) == (before, "nginx:broken")
    run("rollback", "--plan", plan["digest"])
    assert image(world) == "nginx:1.27"


def test_next_rollback_goes_further_back_and_up_applies_the_stack_file_again(run, world, two, stack, sections):
    stack(changed(sections, image="nginx:worse"))
    run("up", "--yes")
    assert run("rollback", "--yes")["rollback"]["to"] == 2
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"
    assert "no update before update 1" in run("rollback", "--yes", expect=2)["error"]["message"]
    run("up", "--yes")
    assert image(world) == "nginx:worse"
    assert [one["backTo"] for one in run("history")["updates"]] == [None, None, None, 2, 1, None]


def test_no_notice_if_the_stack_file_declares_what_was_restored(run, two, stack, sections):
    stack(sections)
    assert "stillDeclared" not in run("rollback", "--yes")


def test_rollback_works_with_an_invalid_stack_file(run, world, two, stack, sections):
    stack(changed(sections, image="", replicas=-1))
    assert "can't be planned as it is" in run("rollback", "--yes")["stillDeclared"]
    assert image(world) == "nginx:1.27"


def test_member_that_joined_since_leaves_and_the_plan_says_so(run, world, stack, sections):
    both = sections["members"]
    sections["members"], sections["workloads"][0]["placement"] = both[:1], {"clusters": ["member1"]}
    stack(sections)
    run("up", "--yes")
    stack({**sections, "members": both})
    run("up", "--yes")
    plan = run("rollback", "--preview-only")
    assert [(one["name"], one["verb"]) for one in plan["clusters"]] == [("member1", "stays"), ("member2", "leaves")]
    assert plan["blastRadius"]["members"]["leave"] == ["member2"]
    run("rollback", "--yes")
    assert set(world.of("Cluster")) == {"member1"}


def test_member_that_was_removed_by_mistake_comes_back(run, world, stack, sections):
    run("up", "--yes")
    before = set(world.objects)
    one = changed(sections, placement={"clusters": ["member1"]})
    one["members"] = one["members"][:1]
    stack(one)
    run("up", "--yes")
    run("rollback", "--yes")
    assert set(world.objects) == before


def write_kubeconfig(project, name, port):
    text = (project / f"{name}.yaml").read_text()
    document = yaml.safe_load(text)
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    (project / f"{name}.yaml").write_text(yaml.safe_dump(document))


def test_clusters_are_reached_by_current_kubeconfigs(run, world, two, project):
    """A kubeconfig that was rotated since is used, even if it was rotated after the last `up`."""
    write_kubeconfig(project, "kube", 9)
    world.since()
    run("rollback", "--yes")
    assert {server for _, server in world.since()} == {"https://127.0.0.1:9"}


def test_token_that_was_issued_since_is_kept(run, world, two):
    """The old state has the control plane's Secret of a member, with a token that is no longer valid."""
    issued = base64.b64encode(b"issued since").decode()
    tokens = [one for one in world.objects.values() if one.get("type") == "kubernetes.io/service-account-token"]
    for one in tokens:
        one["data"]["token"] = issued
    run("refresh")
    run("up", "--yes")
    run("rollback", "--yes")
    copies = [one for (cluster, ref), one in world.objects.items() if ref.kind == "Secret" and "karmada" in cluster]
    assert image(world) == "nginx:1.27"
    assert len(tokens) == len(copies) == 4
    assert {one["data"]["token"] for one in copies} == {issued}


def test_nothing_is_sent_to_a_cluster_that_was_replaced(run, world, two, project, monkeypatch, stack, sections):
    write_kubeconfig(project, "member2", 22)
    uids = {"member2": "uid-of-another"}
    for module in (join, karmada_control_plane):
        monkeypatch.setattr(
            module,
            "probe",
            lambda _, name: pulumi.Output.from_input({"uid": uids.get(name, f"uid-of-{name}"), "unanswered": ""}),
        )
    stack(changed(sections, image="nginx:third"))
    run("up", "--yes")
    world.since()
    run("rollback", "--yes", "--to", "1")
    assert image(world) == "nginx:1.27"
    assert world.of("Cluster", "member2")["spec"]["id"] == "uid-of-another"
    assert "https://127.0.0.1:3" not in {server for _, server in world.since()}


def test_secrets_stay_secret(run, world, files, stack, sections, project, capsys):
    """The history keeps a value that was declared encrypted as a secret, even if it is in clear text now."""
    files(secret=[obj("v1", "Secret", "mine", stringData={"key": "hunter2-of-then"}), deployment("web", "web:1")])
    sections["workloads"][0] = {
        "name": "web", "manifests": ["secret.yaml"], "placement": {"clusters": ["member1"]},
    }  # fmt: skip
    stack(sections)
    run("up", "--yes")
    files(secret=[deployment("web", "web:2")])
    run("up", "--yes")
    document = run("rollback", "--yes", "--detail")
    assert world.of("Secret", "mine")["data"] == {"key": base64.b64encode(b"hunter2-of-then").decode()}
    encoded = base64.b64encode(b"hunter2-of-then").decode()
    texts = [str(document), *(gunzipped(content) for content in kept(project).values())]
    for text in texts:
        assert "hunter2-of-then" not in text
        assert encoded not in text


def test_secrets_of_the_stack_file_come_from_the_history(run, world, project, stack, sections):
    crypter = PassphraseCrypter("unit")

    def write(text, image_):
        secret = {"name": "mine", "stringData": {"key": {"secure": crypter.encrypt(text)}}}
        stack(changed(sections, image=image_, secrets=[secret]))
        file = project / "stacks" / "Pulumi.dev.yaml"
        file.write_text(file.read_text() + f"encryptionsalt: {crypter.state}\n")

    write("hunter2-of-then", "nginx:1")
    run("up", "--yes")
    crypter = PassphraseCrypter("unit")  # another salt, as after `pulumi stack change-secrets-provider`
    write("hunter2-of-now", "nginx:2")
    run("up", "--yes")
    run("rollback", "--yes")
    assert base64.b64decode(world.of("Secret", "mine")["data"]["key"]) == b"hunter2-of-then"


def test_rollback_of_charts_kustomizations_and_sops_needs_no_programs_and_keys(
    run, world, stack, sections, project, tmp_path, monkeypatch
):
    """The state has the objects of that time: neither helm, kustomize, sops nor its key is needed."""
    programs = Programs(tmp_path / "bin", monkeypatch, "helm", "kustomize")
    write_chart(project / "chart", {"a.yaml": CHART}, values="replicas: 1\ntag: '1'\n")
    (project / "base").mkdir()
    (project / "base" / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    (project / "base" / "web.yaml").write_text(yaml.safe_dump(deployment("kustomized", "web:1")))
    login = obj("v1", "Secret", "login", stringData={"password": "open-sesame-42"})
    (project / "login.yaml").write_text(yaml.safe_dump(sealed(login, "stringData")))
    monkeypatch.setattr(configuration, "decrypted", lambda _: yaml.safe_dump(login))
    placement = {"clusters": ["member1"]}
    sections["workloads"] = [
        {"name": "charted", "chart": {"path": "chart", "values": {"tag": "2"}}, "placement": placement},
        {"name": "kustomized", "kustomize": {"path": "base"}, "placement": placement},
        {"name": "sealed", "manifests": ["login.yaml"], "placement": placement},
    ]
    stack(sections)
    run("up", "--yes")
    before = stored(world)
    assert run("rollback", "--to", "1", "--preview-only")["summary"].keys() == {"same"}
    sections["workloads"] = [{"name": "nginx", "image": "nginx:1", "placement": placement}]
    stack(sections)
    run("up", "--yes")
    for name in ("helm", "kustomize"):
        programs.remove(name)
    monkeypatch.setattr(configuration, "decrypted", lambda file: pytest.fail(f"{file} is decrypted"))
    (project / "login.yaml").unlink()
    run("rollback", "--yes")
    assert stored(world) == before
    assert "open-sesame-42" not in "".join(gunzipped(content) for content in kept(project).values())


def test_agent_rolls_back_with_the_digest_of_its_plan(run, world, two, project):
    """The stack file stays unchanged, and an update that doesn't exist is refused."""
    workplace = Workplace(project, "dev", EngineName.EMBEDDED, allow_changes=True)
    tools = Toolbox(workplace)
    file = (project / "stacks" / "Pulumi.dev.yaml").read_text()
    with pytest.raises(Refused, match="there is no update 9"):
        tools.call("preview_change", {"change": {"kind": "rollback", "to": 9}})
    plan = tools.call("preview_change", {"change": {"kind": "rollback"}})
    with pytest.raises(Refused, match="not the digest of this plan"):
        tools.call("rollback", {"digest": "0" * 32})
    assert image(world) == "nginx:broken"
    done = tools.call("rollback", {"digest": plan["digest"]})
    assert (done["complete"], done["stack_file"], image(world)) == (True, "", "nginx:1.27")
    assert (project / "stacks" / "Pulumi.dev.yaml").read_text() == file
