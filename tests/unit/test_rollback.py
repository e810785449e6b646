"""The way back to an earlier update: what it declared is planned and applied, with what is valid now."""

import base64
import copy
import gzip
import json

import pulumi
import pytest
import yaml

from components import configuration, join, karmada_control_plane
from flotilla.cli.main import main
from flotilla.state.backend import StackFiles
from flotilla.state.crypto import PassphraseCrypter
from tests.renderers import DEPLOYMENT as CHART
from tests.renderers import Programs, write_chart
from tests.sops_stand_in import sealed
from tests.unit.in_memory import *  # noqa: F403 - fixtures


def changed(sections, **workload):
    found = copy.deepcopy(sections)
    found["workloads"][0] |= workload
    return found


def image(world, name="nginx"):
    return world.of("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


def test_back_to_the_update_before(run, world, stack, sections):
    run("up", "--yes")
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")
    assert image(world) == "nginx:broken"
    plan = run("rollback", "--yes")
    assert plan["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"
    assert "still declares what was rolled back (workloads: nginx)" in plan["stillDeclared"]


def obj(api_version, kind, name, namespace=None, **content):
    within = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **within}, **content}


def deployment(name, image_, namespace="default"):
    pods = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "one", "image": image_}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": name}}, "template": pods}
    return obj("apps/v1", "Deployment", name, namespace, spec=spec)


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
    """Write manifests, by the file's name without its ending."""

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
    """A stack with every source of objects that needs no program: written, and returned to be changed."""
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


def held(world):
    """What every cluster has, without what its server has made up."""
    found = copy.deepcopy(world.objects)
    for one in found.values():
        one["metadata"].pop("uid")
    return found


def test_nothing_changes_by_going_back_to_what_is_there(run, everything):
    """The objects are those of the state and not of the files: declared once more, they have to come out the same."""
    run("up", "--yes")
    plan = run("rollback", "--to", "1", "--preview-only")
    assert [(step["op"], step["name"], step.get("changes")) for step in plan["steps"] if step["op"] != "same"] == []


def test_every_object_is_again_as_it_was_whatever_the_files_say_now(run, world, everything, files, stack):
    run("up", "--yes")
    before = held(world)
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
    assert held(world) != before
    run("rollback", "--yes")
    assert held(world) == before
    (entry,) = run("history")["updates"][2:]
    assert (entry["kind"], entry["result"], entry["backTo"]) == ("update", "succeeded", 1)
    assert run("rollback", "--to", "3", "--preview-only")["summary"].keys() == {"same"}


@pytest.fixture
def two(run, stack, sections):
    """A stack whose second update is the one that went wrong."""
    run("up", "--yes")
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")


def kept(project):
    return {file: file.read_bytes() for file in (project / ".flotilla").rglob("*") if file.is_file()}


def entries(project, form="history"):
    return sorted((project / ".flotilla" / "state" / ".pulumi" / "history" / "flotilla" / "dev").glob(f"*.{form}.*"))


def test_it_is_planned_confirmed_and_bound_to_its_digest_as_an_up_is(run, world, two, project):
    before = kept(project)
    plan = run("rollback", "--preview-only")
    assert plan["workloads"][0]["verb"] == "changes"
    assert run("rollback", expect=2)["error"]["kind"] == "not-confirmed"
    assert run("rollback", "--plan", "f" * 32, expect=1)["error"]["kind"] == "plan-changed"
    assert (kept(project), image(world)) == (before, "nginx:broken")
    run("rollback", "--plan", plan["digest"])
    assert image(world) == "nginx:1.27"


def test_the_next_rollback_goes_further_back_and_an_up_goes_forward_again(run, world, two, stack, sections):
    stack(changed(sections, image="nginx:worse"))
    run("up", "--yes")
    assert run("rollback", "--yes")["rollback"]["to"] == 2
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"
    assert "no update before update 1" in run("rollback", "--yes", expect=2)["error"]["message"]
    run("up", "--yes")
    assert image(world) == "nginx:worse"
    assert [one["backTo"] for one in run("history")["updates"]] == [None, None, None, 2, 1, None]


def test_nothing_is_said_of_the_stack_file_where_it_declares_what_was_restored(run, two, stack, sections):
    stack(sections)
    assert "stillDeclared" not in run("rollback", "--yes")


def test_a_stack_file_that_can_not_be_planned_now_is_no_obstacle(run, world, two, stack, sections):
    stack(changed(sections, image="", replicas=-1))
    assert "can't be planned as it is" in run("rollback", "--yes")["stillDeclared"]
    assert image(world) == "nginx:1.27"


def test_an_update_that_failed_halfway_is_gone_back_from_and_never_to(run, world, stack, sections):
    run("up", "--yes")
    before = held(world)
    more = {"name": "more", "image": "more:1", "placement": {"clusters": ["member1"]}, "after": ["nginx"]}
    stack(
        {**changed(sections, image="nginx:broken"), "workloads": [*changed(sections, image="n:2")["workloads"], more]}
    )
    world.broken = {"more"}
    run("up", "--yes", expect=1)
    assert image(world) == "n:2"
    assert "update 2 ended as failed" in run("rollback", "--to", "2", expect=2)["error"]["message"]
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert held(world) == before


@pytest.fixture
def kill(monkeypatch, run, world):
    """Run a verb that is killed at the write of an object, as far as the files tell: it writes no entry."""

    def kill(verb, name, *, note=True):
        with monkeypatch.context() as patch:
            patch.setattr(StackFiles, "add_history", lambda *_, **__: None)
            if not note:
                patch.setattr(StackFiles, "begin", lambda *_: None)
            world.broken = {name}
            run(verb, "--yes", expect=1)

    return kill


@pytest.mark.parametrize("note", [True, False])
def test_an_update_that_was_killed_is_gone_back_from(run, world, stack, sections, kill, note):
    """It has no entry: the newest one is what ran before, and not the one before that. The CLI leaves no note."""
    run("up", "--yes")
    stack(changed(sections, image="nginx:2"))
    run("up", "--yes")
    before = held(world)
    broken = changed(sections, image="nginx:broken")
    broken["workloads"].append(
        {"name": "more", "image": "m:1", "placement": {"clusters": ["member1"]}, "after": ["nginx"]}
    )
    stack(broken)
    kill("up", "more", note=note)
    assert image(world) == "nginx:broken"
    assert run("rollback", "--yes")["rollback"]["to"] == 2
    assert held(world) == before


def test_a_rollback_that_was_killed_is_gone_on_with(run, world, two, kill):
    kill("rollback", "nginx")
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"


def test_a_rollback_that_failed_is_gone_on_with(run, world, two):
    world.broken = {"nginx"}
    run("rollback", "--yes", expect=1)
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"


def test_a_member_that_joined_since_leaves_and_the_plan_says_so(run, world, stack, sections):
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


def test_a_member_that_was_taken_out_by_mistake_comes_back(run, world, stack, sections):
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


def test_clusters_are_reached_as_they_are_declared_now(run, world, two, project):
    """A kubeconfig that was rotated since, even after the last `up`, is the one that is used."""
    write_kubeconfig(project, "kube", 9)
    world.since()
    run("rollback", "--yes")
    assert {server for _, server in world.since()} == {"https://127.0.0.1:9"}


def test_a_token_that_was_issued_since_stays_in_place(run, world, two):
    """The state of then has the control plane's Secret of a member with a token that is no longer valid."""
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
    """The history holds what was declared encrypted as a whole, whatever stands in clear text in the stack file."""
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


def gunzipped(content):
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode(errors="replace")


def test_secrets_of_the_stack_file_come_from_the_history_and_are_those_of_then(run, world, project, stack, sections):
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


def by_the_cli(project, number):
    """Make an entry of the history what Pulumi's CLI would have written."""
    file = entries(project)[number - 1]
    entry = json.loads(file.read_text())
    config = yaml.safe_load((project / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    entry = {**entry, "config": config, "environment": {"exec.kind": "auto.local"}, "version": 0}
    entry.pop("flotilla")
    file.write_text(json.dumps(entry, indent=4))


def test_a_history_of_pulumis_cli_is_gone_back_in(run, world, stack, sections, project):
    run("up", "--yes")
    by_the_cli(project, 1)
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")
    by_the_cli(project, 2)
    run("rollback", "--yes")
    assert image(world) == "nginx:1.27"


def ruin(what, project):
    history, checkpoint = entries(project)[0], entries(project, "checkpoint")[0]
    if what == "cut off":
        history.write_text(history.read_text()[:40])
    elif what == "foreign":
        history.write_text("[]")
    elif what == "of before":
        entry = json.loads(history.read_text())
        entry.pop("flotilla")
        history.write_text(json.dumps(entry))
    elif what == "no time":
        history.write_text(json.dumps({**json.loads(history.read_text()), "endTime": 10**30}))
    elif what == "other config":
        entry = json.loads(history.read_text())
        entry["flotilla"]["config"] = "v1:AAAA:BBBB"
        history.write_text(json.dumps(entry))
    elif what == "no state":
        checkpoint.unlink()
    elif what == "state cut off":
        checkpoint.write_bytes(checkpoint.read_bytes()[:200])
    elif what == "state of another":
        checkpoint.write_bytes(
            gzip.compress(gzip.decompress(checkpoint.read_bytes()).replace(b"::flotilla::", b"::other::"))
        )
    elif what == "targeted":
        text = gzip.decompress(checkpoint.read_bytes())
        checkpoint.write_bytes(gzip.compress(text.replace(b"PropagatedWorkload::nginx", b"PropagatedWorkload::other")))


DAMAGE = {
    "cut off": "entry 1 of the history can't be used",
    "foreign": "is no entry of a history",
    "no time": "it ends at no time",
    "of before": "update 1 keeps no stack file: an earlier version of Flotilla wrote it",
    "other config": "has a configuration that can't be read",
    "no state": "of update 1 no state is kept any more",
    "state cut off": "update 1 can't be used",
    "state of another": "update 1 can't be used",
    "targeted": "declared workload nginx and did not make it",
}


def test_a_history_that_is_damaged_is_one_line_and_changes_nothing(run, world, two, project):
    whole, written = kept(project), held(world)
    for what, said in DAMAGE.items():
        ruin(what, project)
        before = kept(project)
        for words in ((), ("--to", "1")):
            error = run("rollback", "--yes", *words, expect=2)["error"]
            assert said in error["message"], what
            assert "\n" not in error["message"]
            assert error["message"].endswith("nothing was changed")
            assert error["hint"]
        run("history")
        assert (kept(project), held(world)) == (before, written)
        for file, content in whole.items():
            file.write_bytes(content)


def test_without_a_history_and_by_the_cli_it_is_refused(run, two, project, monkeypatch):
    refused = run("rollback", "--yes", engine="pulumi", expect=2)["error"]
    assert "Pulumi's CLI runs the program with the files as they are now" in refused["message"]
    assert "--engine embedded" in refused["hint"]
    for form in ("history", "checkpoint"):
        for file in entries(project, form):
            file.unlink()
    assert "the stack has no history" in run("rollback", "--yes", expect=2)["error"]["message"]
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    assert "the stack's backend is s3://states" in run("rollback", "--yes", expect=2)["error"]["message"]


def test_people_see_the_updates_and_what_is_not_rolled_back(run, two, stack, sections, project, capsys):
    stack({**changed(sections, image="nginx:broken"), "policies": {"guards": {"maxClusters": 50}}})
    main(["rollback", "-C", str(project), "-s", "dev", "--preview-only", "--engine", "embedded"])
    said = capsys.readouterr().out
    assert "Plan to go back to update 1 of 20" in said
    assert "not rolled back: policies: as the stack file has it now" in said
    assert main(["history", "-C", str(project), "-s", "dev"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["update", "2", "1"]


def test_charts_kustomizations_and_sops_are_gone_back_to_without_their_programs_and_keys(
    run, world, stack, sections, project, tmp_path, monkeypatch
):
    """What they held then comes from the state: neither helm, kustomize, sops nor its key is needed to go back."""
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
    before = held(world)
    assert run("rollback", "--to", "1", "--preview-only")["summary"].keys() == {"same"}
    sections["workloads"] = [{"name": "nginx", "image": "nginx:1", "placement": placement}]
    stack(sections)
    run("up", "--yes")
    for name in ("helm", "kustomize"):
        programs.remove(name)
    monkeypatch.setattr(configuration, "decrypted", lambda file: pytest.fail(f"{file} is decrypted"))
    (project / "login.yaml").unlink()
    run("rollback", "--yes")
    assert held(world) == before
    assert "open-sesame-42" not in "".join(gunzipped(content) for content in kept(project).values())
