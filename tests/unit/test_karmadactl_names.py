"""Objects of karmadactl have the same names as a stack's, so that its joins can be adopted.

Sources, read in 1.10.7 and 1.18.2: pkg/util/credential.go and serviceaccount.go (join, and an agent that reports
Secrets), pkg/karmadactl/register/register.go (an agent's own objects; 1.10.7 gives it no rights of its own in the
control plane).
"""

from flotilla.karmada.joining import agent, join
from flotilla.kube.objects import ref_of

IN_MEMBER = {
    "Namespace karmada-cluster",
    "ServiceAccount karmada-cluster/karmada-impersonator",
    "ServiceAccount karmada-cluster/karmada-m",
    "Secret karmada-cluster/karmada-impersonator",
    "Secret karmada-cluster/karmada-m",
    "ClusterRole karmada-controller-manager:karmada-m",
    "ClusterRoleBinding karmada-controller-manager:karmada-m",
}
IN_CONTROL_PLANE = {"Secret karmada-cluster/m", "Secret karmada-cluster/m-impersonator", "Cluster m"}
OF_AGENT_IN_MEMBER = {
    "Namespace karmada-system",
    "ServiceAccount karmada-system/karmada-agent-sa",
    "Secret karmada-system/karmada-kubeconfig",
    "ClusterRole karmada-agent",
    "ClusterRoleBinding karmada-agent",
    "Deployment karmada-system/karmada-agent",
}
OF_AGENT_IN_CONTROL_PLANE = {
    "ClusterRole system:karmada:m:agent",
    "ClusterRoleBinding system:karmada:m:agent",
    "Role karmada-cluster/system:karmada:m:agent-secret",
    "RoleBinding karmada-cluster/system:karmada:m:agent-secret",
    "Role karmada-es-m/system:karmada:m:agent-work",
    "RoleBinding karmada-es-m/system:karmada:m:agent-work",
}


def names(*objects):
    return {str(ref_of(obj)) for obj in objects}


def test_join_by_karmadactl_has_the_names_of_a_declared_join():
    account = join.controller_account("m")
    accounts = [join.service_account(join.IMPERSONATOR), join.service_account(account)]
    tokens = [join.token_secret(join.IMPERSONATOR), join.token_secret(account)]
    rights = [join.cluster_role("m"), join.cluster_role_binding("m")]
    assert names(join.namespace(), *accounts, *tokens, *rights) == IN_MEMBER
    secrets = [join.credentials("m", {}), join.impersonator_credentials("m", {})]
    assert names(*secrets, join.cluster("m", cluster_id="1", api_endpoint="")) == IN_CONTROL_PLANE


def test_agent_registered_by_karmadactl_has_the_names_of_a_declared_agent():
    deployment = agent.deployment("m", version="1.18.2", endpoint="", identity="")
    inside = [agent.service_account(), agent.kubeconfig_secret({}), agent.member_role(), agent.member_role_binding()]
    assert names(join.namespace(agent.NAMESPACE), *inside, deployment) == OF_AGENT_IN_MEMBER
    rights = [agent.cluster_role("m"), agent.cluster_role_binding("m"), agent.work_role("m")]
    rights += [agent.work_role_binding("m"), agent.secret_role("m"), agent.secret_role_binding("m")]
    assert names(*rights) == OF_AGENT_IN_CONTROL_PLANE
    # The selector is immutable, so another one could not be adopted.
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "karmada-agent"}}


def test_rights_of_an_adopted_agent_equal_those_of_karmadactl():
    """Verbs are compared in their order; an existing role of a stack keeps its order, too."""
    own, found = (agent.cluster_role("m", found=found)["rules"] for found in (False, True))
    assert [rule["verbs"] for rule in found[-1:]] == [["patch", "create", "update"]]
    assert [sorted(rule["verbs"]) for rule in own] == [sorted(rule["verbs"]) for rule in found]
    assert own[-1]["verbs"] == ["create", "patch", "update"]


def test_adopted_agent_is_declared_without_its_running_settings():
    assert names(agent.found_deployment(), agent.found_secret()) <= OF_AGENT_IN_MEMBER
    assert "spec" not in agent.found_deployment()
    assert "data" not in agent.found_secret()
