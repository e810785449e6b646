"""`flotilla adopt` on a fleet: a stack joined its members, and kubectl created everything else.

The same case runs on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import yaml

from flotilla.cli.main import main
from flotilla.karmada.selection import is_policy
from flotilla.kube.merge_keys import object_differences
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.stack.stackfile import sections_of
from flotilla.state.crypto import PassphraseCrypter
from tests.contract.karmada import eventually
from tests.contract.main_job import everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj
from tests.contract.spaces import LEFT, run  # noqa: F401
from tests.unit.adopting import TAG, TO_FIRST, comparable, declared_in, decrypted, own, pods, policy, secret

SPACE = "shop"
WEB, STORE, LOGIN = pods("web"), pods("store", labels={"tier": "back"}), secret("login", {"password": "hunter2"})
BY_LABEL = {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"tier": "back"}}}
POLICIES = (
    policy("PropagationPolicy", "web", [WEB, LOGIN], placement=TO_FIRST, priority=2),
    policy("OverridePolicy", "tags", [WEB], overrideRules=[{"overriders": {"imageOverrider": [TAG]}}]),
    policy("ClusterPropagationPolicy", "adopted-back", [BY_LABEL], namespace=None, placement={}),
)
LIMITS = own("FederatedResourceQuota", "policy.karmada.io/v1alpha1", "limits", spec={"overall": {"cpu": "100"}})


def test_a_fleet_that_was_filled_by_kubectl_is_written_as_a_stack(fleet, run, monkeypatch, capsys):  # noqa: F811
    run.write(members("member1", "member2"), [])
    run("up", "--yes")
    before = everything(fleet, LEFT)
    karmada = fleet.connection("karmada")
    space = obj("v1", "Namespace", SPACE)
    made = [space, *POLICIES, WEB, STORE, LOGIN, LIMITS]
    try:
        for one in made:
            karmada.apply(one, field_manager="kubectl")
        claimed = [ref_of(one) for one in (WEB, STORE, LOGIN)]
        eventually(lambda: all("permanent-id" in str(karmada.get(ref)["metadata"].get("labels")) for ref in claimed))

        files = {name: str(fleet.kubeconfigs / f"{name}.yaml") for name in ("karmada", "member1", "member2")}
        given = [f"--member-kubeconfig={name}={files[name]}" for name in ("member1", "member2")]
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of tests")
        stack = ["-C", str(fleet.project), "-s", "adopted"]
        assert main(["adopt", *stack, "--karmada-kubeconfig", files["karmada"], *given]) == 0
        assert main(["validate", *stack]) == 0

        sections = _decrypted_sections(fleet.project / "stacks" / "Pulumi.adopted.yaml")
        assert [one["name"] for one in sections["members"]] == ["member1", "member2"]
        assert [one["name"] for one in sections["objects"]] == ["control-plane"]
        assert sections["controlPlane"]["version"] == ".".join(fleet.version.split(".")[:2])
        declared = declared_in(fleet.project, sections)
        # The new stack declares what kubectl applied, without the server's defaults, and equals the live objects.
        assert declared == comparable([*POLICIES, WEB, STORE, LOGIN])
        there = comparable(karmada.get(ref_of(one)) for one in (*POLICIES, WEB, STORE, LOGIN))
        assert [found for name, obj in declared.items() for found in object_differences(obj, there[name])] == []
        assert main(["preview", *stack, "--engine", "embedded"]) == 0
    finally:
        monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
        for one in (LIMITS, WEB, STORE, LOGIN, *(one for one in POLICIES if is_policy(one)), space):
            karmada.delete(ref_of(one), propagation="Background")
        capsys.readouterr()  # the next verb's output is parsed as one document
    eventually(lambda: karmada.find(ObjectRef("v1", "Namespace", SPACE)) is None, seconds=90)
    assert everything(fleet, LEFT) == before


def _decrypted_sections(file):
    """Return the sections of a stack file, its values decrypted."""
    document = yaml.safe_load(file.read_text())
    crypter = PassphraseCrypter("of tests", document["encryptionsalt"])
    return decrypted(sections_of(document["config"]), crypter)
