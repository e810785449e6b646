"""Rights that bindings in a member give to Karmada's account."""

import pytest

from flotilla.drift.members import find_wider_rights
from flotilla.karmada.joining.join import IMPERSONATOR, access_role
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from tests.faults import FakeApi


def binding(name, role, *subjects, kind="ClusterRoleBinding", role_kind="ClusterRole", namespace="", **meta):
    where = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, **where, **meta},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": list(subjects),
    }


def account(name, namespace="karmada-cluster"):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


JOINED = (
    binding(access_role("member1"), access_role("member1"), account("karmada-member1")),
    binding(IMPERSONATOR, IMPERSONATOR, account(IMPERSONATOR)),
    *(
        binding(role, role, {"kind": "Group", "name": group}, labels={"kubernetes.io/bootstrapping": "rbac-defaults"})
        for role, group in (  # all bindings of Kubernetes 1.35 for these groups
            ("system:basic-user", "system:authenticated"),
            ("system:discovery", "system:authenticated"),
            ("system:public-info-viewer", "system:authenticated"),
            ("system:service-account-issuer-discovery", "system:serviceaccounts"),
            ("system:cluster-trust-bundle-discovery", "system:serviceaccounts"),
        )
    ),
    binding("others", "cluster-admin", account("karmada-member1", "elsewhere"), account("other")),
    binding("nobody", "cluster-admin", {"kind": "Group", "name": "system:serviceaccounts:elsewhere"}),
)
WIDER = {
    "an expected name, another role": binding(access_role("member1"), "cluster-admin", account("karmada-member1")),
    "an expected name, a RoleBinding": binding(
        IMPERSONATOR, "cluster-admin", account(IMPERSONATOR), kind="RoleBinding", namespace="default"
    ),
    "an expected name and role, a RoleBinding": binding(
        IMPERSONATOR, IMPERSONATOR, account(IMPERSONATOR), kind="RoleBinding", namespace="default"
    ),
    "the impersonator bound as the controller": binding(
        access_role("member1"), access_role("member1"), account("karmada-member1"), account(IMPERSONATOR)
    ),
    "a RoleBinding's account without a namespace": binding(
        "x", "admin", {"kind": "ServiceAccount", "name": IMPERSONATOR}, kind="RoleBinding", namespace="karmada-cluster"
    ),
    "all accounts": binding("x", "cluster-admin", {"kind": "Group", "name": "system:serviceaccounts"}),
    "all of its namespace": binding("x", "admin", {"kind": "Group", "name": "system:serviceaccounts:karmada-cluster"}),
    "everybody": binding("x", "cluster-admin", {"kind": "Group", "name": "system:authenticated"}),
    "everybody, by the name of a default": binding(
        "system:discovery",
        "cluster-admin",
        {"kind": "Group", "name": "system:authenticated"},
        labels={"kubernetes.io/bootstrapping": "rbac-defaults"},
    ),
    "the account as a user": binding(
        "x", "cluster-admin", {"kind": "User", "name": f"system:serviceaccount:karmada-cluster:{IMPERSONATOR}"}
    ),
}


def test_bindings_of_the_join_and_of_kubernetes_give_no_additional_rights():
    with FakeApi(*JOINED) as api:
        member = Connection(kubeconfigs.select(kubeconfigs.load(api.kubeconfig)), name="member1")
        assert find_wider_rights(member, "member1", ("karmada-cluster", "karmada-member1")) == []


@pytest.mark.parametrize("case", WIDER)
def test_additional_rights_by_any_binding_are_found(case):
    with FakeApi(*JOINED) as api:
        api.put(WIDER[case])
        member = Connection(kubeconfigs.select(kubeconfigs.load(api.kubeconfig)), name="member1")
        (finding,) = find_wider_rights(member, "member1", ("karmada-cluster", "karmada-member1"))
        assert finding.rule == "rights-widened"
        assert WIDER[case]["roleRef"]["name"] in finding.message
