"""Rules about rights, and about verified certificates."""

from collections.abc import Iterator

from flotilla.policy.model import MEMBER_TYPES, Resource, Rule, StackView, value_at


def _roles(view: StackView) -> list[Resource]:
    """Return all roles except those of a join, which Karmada needs unchanged."""
    return [role for role in view.objects("Role", "ClusterRole") if role.parent_type not in MEMBER_TYPES]


def _wildcards(role: Resource, _view: StackView) -> Iterator[str]:
    for rule in role.at("rules", default=[]):
        if "*" in value_at(rule, "verbs", default=[]) and "*" in value_at(rule, "resources", default=[]):
            yield "allows every verb on every resource"


def _clusters(view: StackView) -> list[Resource]:
    return list(view.objects("Cluster"))


def _unverified(cluster: Resource, _view: StackView) -> Iterator[str]:
    if cluster.at("spec", "insecureSkipTLSVerification", default=False):
        yield "Karmada doesn't verify the member's certificate"


NO_WILDCARD_RIGHTS = Rule(
    "no-wildcard-rights",
    "Whoever has such a role through a template controls every member in which the template is placed",
    "name verbs and resources, or exempt the role with the reason",
    _roles,
    _wildcards,
    always=True,
)
TLS_VERIFIED = Rule(
    "tls-verified",
    "Anyone between Karmada and the member could impersonate it, and get a token with all rights",
    "give the member's caBundle instead of insecureSkipTlsVerify",
    _clusters,
    _unverified,
    production_only=True,
)
