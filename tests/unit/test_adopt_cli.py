"""`flotilla adopt` on a control plane that answers: it only reads, writes files, and overwrites no file."""

import base64
import json
import shutil

import pytest
import yaml

from flotilla.cli.main import main
from tests.conftest import REPOSITORY
from tests.faults.fake import KINDS, FakeApi
from tests.unit.adopting import TO_FIRST, cluster, live, own, pods, policy, secret

ACCOUNT = "system:serviceaccount:karmada-cluster:karmada-member1"
MORE = (
    ("policy.karmada.io/v1alpha1", "FederatedResourceQuota", "federatedresourcequotas", True),
    ("apps.karmada.io/v1alpha1", "WorkloadRebalancer", "workloadrebalancers", False),
)
WEB, DB, LOGIN = pods("web"), pods("db", namespace="back"), secret("login", {"password": "hunter2"})


def token():
    payload = base64.urlsafe_b64encode(json.dumps({"sub": ACCOUNT}).encode()).decode().rstrip("=")
    return base64.b64encode(f"header.{payload}.signature".encode()).decode()


def objects():
    credentials = {"token": token(), "caBundle": "Q0E="}
    return [
        *live(
            [
                WEB,
                DB,
                LOGIN,
                policy("PropagationPolicy", "web", [WEB, LOGIN], placement=TO_FIRST),
                policy("PropagationPolicy", "db", [DB], namespace="back", placement={}),
                own("FederatedResourceQuota", "policy.karmada.io/v1alpha1", "limits", spec={"overall": {"cpu": "9"}}),
            ]
        ),
        own("Secret", "v1", "member1", namespace="karmada-cluster", data=credentials),
    ]


def join_objects():
    role = own("ClusterRole", "rbac.authorization.k8s.io/v1", "all", namespace=None)
    role["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    subject = {"kind": "ServiceAccount", "namespace": "karmada-cluster", "name": "karmada-member1"}
    binding = own("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "all", namespace=None)
    return [role, {**binding, "roleRef": {"kind": "ClusterRole", "name": "all"}, "subjects": [subject]}]


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """A control plane with one member that answers and one member without a kubeconfig."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of tests")
    monkeypatch.delenv("FLOTILLA_STACK", raising=False)
    shutil.copy(REPOSITORY / "Pulumi.yaml", tmp_path)
    with FakeApi(*join_objects()) as member, FakeApi(*objects(), kinds=(*KINDS, *MORE)) as karmada:
        uid = member.find("v1", "Namespace", "kube-system", "")["metadata"]["uid"]
        spec = {
            "id": uid,
            "apiEndpoint": member.server,
            "secretRef": {"namespace": "karmada-cluster", "name": "member1"},
        }
        karmada.put(cluster("member1", spec=spec))
        (tmp_path / "karmada.yaml").write_text(karmada.kubeconfig)
        (tmp_path / "member1.yaml").write_text(member.kubeconfig)
        yield Fleet(tmp_path, karmada, member)


class Fleet:
    def __init__(self, project, karmada, member):
        self.project, self.karmada, self.member = project, karmada, member

    def run(self, *arguments):
        given = ["--karmada-kubeconfig", str(self.project / "karmada.yaml")]
        return main(["adopt", "-C", str(self.project), "-s", "prod", *given, *arguments])

    def with_member(self, *arguments):
        return self.run("--member-kubeconfig", f"member1={self.project / 'member1.yaml'}", *arguments)

    @property
    def stack(self):
        return yaml.safe_load((self.project / "stacks" / "Pulumi.prod.yaml").read_text())


def test_written_stack_is_valid_and_adopt_sends_only_reads(fleet, capsys):
    assert fleet.with_member() == 0
    said = capsys.readouterr().out
    assert "declares 1 member, 2 workloads with 3 objects, 1 object of the control plane" in said
    assert "token-cluster-admin" in said
    assert {request.split()[0] for request in (*fleet.karmada.requests, *fleet.member.requests)} == {"GET"}
    assert fleet.stack["config"]["flotilla:members"] == [{"name": "member1", "kubeconfig": "member1.yaml"}]
    assert fleet.stack["config"]["flotilla:objects"] == [
        {"name": "control-plane", "manifests": ["adopted/prod/objects"]}
    ]
    assert main(["validate", "-C", str(fleet.project), "-s", "prod"]) == 0
    assert "hunter2" not in "".join(file.read_text() for file in fleet.project.rglob("*.yaml"))


def test_adopt_overwrites_no_existing_file(fleet, capsys):
    assert fleet.run() == 0
    before = (fleet.project / "stacks" / "Pulumi.prod.yaml").read_text()
    assert fleet.run() == 2
    assert "adopt overwrites no file; nothing was written" in capsys.readouterr().err
    (fleet.project / "stacks" / "Pulumi.prod.yaml").unlink()
    assert fleet.run() == 2, "the manifests' folder is there"
    assert not (fleet.project / "stacks" / "Pulumi.prod.yaml").exists()
    shutil.rmtree(fleet.project / "adopted")
    assert fleet.run() == 0
    assert yaml.safe_load(before).keys() == fleet.stack.keys()


def test_a_dry_run_prints_the_stack_file_and_writes_nothing(fleet, capsys):
    before = sorted(fleet.project.rglob("*"))
    assert fleet.run("--dry-run") == 0
    captured = capsys.readouterr()
    assert "flotilla:workloads" in yaml.safe_load(captured.out)["config"]
    assert "would declare" in captured.err
    assert sorted(fleet.project.rglob("*")) == before


def test_json_output_is_one_document(fleet, capsys):
    assert fleet.run("--json", "-n", "shop") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert document["written"] is True
    assert document["counts"] == {"members": 1, "workloads": 1, "templates": 2, "controlPlaneObjects": 1}
    assert document["files"] == [
        "adopted/prod/objects/federatedresourcequota-limits.yaml",
        "adopted/prod/web/deployment-web.yaml",
        "adopted/prod/web/policies/propagationpolicy-web.yaml",
    ]
    assert {"leftOut", "findings", "notes"} <= document.keys()


def test_member_of_another_stack_is_reported_and_not_declared(fleet):
    assert fleet.with_member() == 0
    more = ["--karmada-kubeconfig", str(fleet.project / "karmada.yaml"), "--members-from", "prod"]
    assert main(["adopt", "-C", str(fleet.project), "-s", "part", "--policy", "db", *more]) == 0
    config = yaml.safe_load((fleet.project / "stacks" / "Pulumi.part.yaml").read_text())["config"]
    assert config["flotilla:membersFrom"] == "prod"
    assert "flotilla:members" not in config
    assert [one["name"] for one in config["flotilla:workloads"]] == ["db"]
    assert main(["validate", "-C", str(fleet.project), "-s", "part"]) == 0


def test_kubeconfig_of_another_cluster_is_refused(fleet):
    assert fleet.run("--member-kubeconfig", f"member1={fleet.project / 'karmada.yaml'}", "--json") == 0
    assert fleet.stack["config"]["flotilla:members"][0]["kubeconfig"] == "kubeconfigs/member1.yaml"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--member-kubeconfig", "nobody=x.yaml"], "no such Cluster"),
        (["--member", "nobody"], "no such Cluster"),
        (["--member-kubeconfig", "member1"], "NAME=VALUE"),
        (["--member-context", "member1=x"], "has no --member-kubeconfig"),
        (["--selector", "a=b=c"], "write labels as"),
        (["--karmada-version", "0.9"], "give a version between"),
        (["--members-from", "../x"], "is not a stack name"),
    ],
)
def test_invalid_arguments_are_refused_before_any_file_is_written(fleet, capsys, arguments, said):
    assert fleet.run(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not (fleet.project / "adopted").exists()
    assert not (fleet.project / "stacks").exists()


def interrupted_join(*secrets):
    return [own("Secret", "v1", name, namespace="karmada-cluster", data={}) for name in secrets]


def test_interrupted_join_is_found_by_its_secrets_or_by_its_account_in_the_member(fleet, capsys):
    """Regression: the member of an interrupted join could not be given: "the control plane has no such Cluster"."""
    for secret_ in interrupted_join("member2", "member2-impersonator", "else"):
        fleet.karmada.put(secret_)
    assert fleet.run("--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [one["object"] for one in found if one["rule"] == "join-unfinished"] == ["member member2"]
    assert fleet.run("--dry-run", "--json", "--member-kubeconfig", f"else={fleet.project / 'member1.yaml'}") == 2
    capsys.readouterr()
    fleet.member.put(own("ServiceAccount", "v1", "karmada-else", namespace="karmada-cluster"))
    files = [f"{name}={fleet.project / 'member1.yaml'}" for name in ("member2", "else")]
    for file in files:
        assert fleet.run("--dry-run", "--json", "--member-kubeconfig", file) == 0
        adopted = json.loads(capsys.readouterr().out)
        assert adopted["counts"]["members"] == 2
        assert f"member {file.partition('=')[0]}: its join stopped" in str(adopted["notes"])
