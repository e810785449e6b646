"""Karmada's admission rules, as ValidatingAdmissionPolicies in CEL for the stand-in's API server.

The rules are those of Karmada's webhooks and of its aggregated API (1.18); docs/reference/stand-in.md lists the rules
that are left out. If a rule is false for an object, the API server refuses the object with the rule's message.
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.karmada.selection import POLICY_ID_LABELS
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object
from flotilla.sandbox.definitions import apply
from flotilla.sandbox.processes import wait_until

_ADMISSION_API = "admissionregistration.k8s.io/v1"
_SECONDS = 60
_PERMANENT_IDS = list(POLICY_ID_LABELS.values())  # Python and CEL write a list of texts in the same way
_POINTER = "(p == '' || p.startsWith('/'))"


@dataclass(frozen=True)
class _Rules:
    """The rules (expression, message) for some kinds, and the variables (name, expression) that the rules share."""

    name: str
    group: str
    resources: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...] = ()
    operations: tuple[str, ...] = ("CREATE", "UPDATE")


_GROUP_OF_POLICIES = POLICY_API.partition("/")[0]
_PROPAGATION = ("propagationpolicies", "clusterpropagationpolicies")
_OVERRIDE = ("overridepolicies", "clusteroverridepolicies")
_FIELD_SELECTORS = (
    (
        "variables.affinities.all(a, a.?fieldSelector.?matchExpressions.orValue([]).all(e,"
        " e.key in ['provider', 'region', 'zone'] && e.operator in ['In', 'NotIn']))"
    ),
    "fieldSelector knows the keys provider, region and zone, and the operators In and NotIn",
)
_RULES = (
    _Rules(
        "selectors-of-a-namespace",
        _GROUP_OF_POLICIES,
        ("propagationpolicies", "overridepolicies"),
        (
            (
                (
                    "object.spec.?resourceSelectors.orValue([]).all(s,"
                    " s.?namespace.orValue(request.namespace) == request.namespace)"
                ),
                "spec.resourceSelectors: the namespace must be that of the policy",
            ),
        ),
    ),
    _Rules(
        "propagation",
        _GROUP_OF_POLICIES,
        _PROPAGATION,
        variables=(
            ("placement", "object.spec.?placement.orValue({})"),
            ("terms", "variables.placement.?clusterAffinities.orValue([])"),
            ("affinities", "[?variables.placement.?clusterAffinity] + variables.terms"),
            ("spread", "variables.placement.?spreadConstraints.orValue([])"),
            ("fields", "variables.spread.map(c, c.?spreadByField.orValue('')).filter(f, f != '')"),
            ("application", "object.spec.?failover.?application.orValue({})"),
            ("graceful", "variables.application.?purgeMode.orValue('') in ['Graciously', 'Gracefully']"),
        ),
        rules=(
            ("object.spec.resourceSelectors.size() > 0", "spec.resourceSelectors must have an entry"),
            (
                (
                    "object.spec.?preemption.orValue('') != 'Always' ||"
                    " object.spec.resourceSelectors.all(s, s.?name.orValue('') != '')"
                ),
                "spec.resourceSelectors: a name is required where preemption is Always",
            ),
            (
                (
                    "!variables.placement.?clusterAffinity.hasValue() ||"
                    " !variables.placement.?clusterAffinities.hasValue()"
                ),
                "spec.placement: clusterAffinity and clusterAffinities exclude each other",
            ),
            (
                (
                    "variables.terms.all(t, !format.qualifiedName().validate(t.affinityName).hasValue() &&"
                    " variables.terms.exists_one(o, o.affinityName == t.affinityName))"
                ),
                "spec.placement.clusterAffinities: each needs a valid name of its own",
            ),
            _FIELD_SELECTORS,
            (
                ("variables.spread.all(c, c.?spreadByField.orValue('') == '' || c.?spreadByLabel.orValue('') == '')"),
                "spec.placement.spreadConstraints: spreadByField and spreadByLabel exclude each other",
            ),
            (
                "variables.fields.all(f, f in ['cluster', 'region', 'zone', 'provider'])",
                "spec.placement.spreadConstraints: spreadByField is cluster, region, zone or provider",
            ),
            (
                "variables.fields.all(f, variables.fields.exists_one(o, o == f))",
                "spec.placement.spreadConstraints: one constraint for a field",
            ),
            (
                "variables.fields.size() == 0 || 'cluster' in variables.fields",
                "spec.placement.spreadConstraints: a constraint by cluster must be among them",
            ),
            (
                (
                    "variables.spread.all(c, c.?minGroups.orValue(0) >= 0 && c.?maxGroups.orValue(0) >= 0 &&"
                    " (c.?maxGroups.orValue(0) == 0 || c.maxGroups >= c.?minGroups.orValue(0)))"
                ),
                "spec.placement.spreadConstraints: minGroups must be between 0 and maxGroups",
            ),
            (
                (
                    "variables.placement.?clusterTolerations.orValue([]).all(t,"
                    " t.?operator.orValue('') in ['', 'Exists', 'Equal'])"
                ),
                "spec.placement.clusterTolerations: the operator is Exists or Equal",
            ),
            (
                "!object.spec.?failover.?application.hasValue() || object.spec.?propagateDeps.orValue(false)",
                "spec.propagateDeps must be true with an application failover",
            ),
            (
                "variables.application.?decisionConditions.?tolerationSeconds.orValue(0) >= 0",
                "spec.failover.application.decisionConditions.tolerationSeconds must not be negative",
            ),
            (
                (
                    "(variables.graceful || !variables.application.?gracePeriodSeconds.hasValue()) &&"
                    " variables.application.?gracePeriodSeconds.orValue(1) > 0"
                ),
                "spec.failover.application.gracePeriodSeconds belongs to purgeMode Gracefully, and is positive",
            ),
            (
                (
                    "!object.spec.?suspension.?dispatching.orValue(false) ||"
                    " object.spec.?suspension.?dispatchingOnClusters.?clusterNames.orValue([]).size() == 0"
                ),
                "spec.suspension: dispatching and dispatchingOnClusters exclude each other",
            ),
        ),
    ),
    _Rules(
        "propagation-kept",
        _GROUP_OF_POLICIES,
        _PROPAGATION,
        operations=("UPDATE",),
        rules=(
            (
                "object.spec.?schedulerName.orValue('') == oldObject.spec.?schedulerName.orValue('')",
                "spec.schedulerName can't be changed",
            ),
            (
                (
                    f"{_PERMANENT_IDS}.all(k, oldObject.metadata.?labels[?k].orValue('')"
                    " in ['', object.metadata.?labels[?k].orValue('')])"
                ),
                "the label permanent-id can't be changed",
            ),
        ),
    ),
    _Rules(
        "override",
        _GROUP_OF_POLICIES,
        _OVERRIDE,
        variables=(
            ("rules", "object.spec.?overrideRules.orValue([])"),
            (
                "affinities",
                ("[?object.spec.?targetCluster] + variables.rules.map(r, r.?targetCluster.orValue({}))"),
            ),
            ("fields", "variables.rules.map(r, r.?overriders.?fieldOverrider.orValue([]))"),
        ),
        rules=(
            (
                (
                    "variables.rules.size() == 0 ||"
                    " (!object.spec.?targetCluster.hasValue() && object.spec.?overriders.orValue({}).size() == 0)"
                ),
                "spec: overrideRules exclude targetCluster and overriders",
            ),
            _FIELD_SELECTORS,
            (
                (
                    "variables.rules.all(r, r.?overriders.?labelsOverrider.orValue([]).all(o,"
                    " o.?value.orValue({}).all(k, !format.qualifiedName().validate(k).hasValue() &&"
                    " !format.labelValue().validate(o.value[k]).hasValue())))"
                ),
                "spec.overrideRules: labelsOverrider must give valid labels",
            ),
            (
                (
                    "variables.rules.all(r, r.?overriders.?annotationsOverrider.orValue([]).all(o,"
                    " o.?value.orValue({}).all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())))"
                ),
                "spec.overrideRules: annotationsOverrider must give valid annotations",
            ),
            (
                (
                    "variables.rules.all(r, r.?overriders.?imageOverrider.orValue([]).all(o,"
                    f" o.?predicate.?path.optMap(p, {_POINTER}).orValue(true)))"
                ),
                "spec.overrideRules: imageOverrider's predicate.path must be a JSON pointer",
            ),
            (
                (
                    "variables.fields.all(fs, fs.all(f, (f.?json.orValue([]).size() == 0) !="
                    " (f.?yaml.orValue([]).size() == 0)))"
                ),
                "spec.overrideRules: fieldOverrider needs either json or yaml",
            ),
            (
                (
                    "variables.fields.all(fs, fs.all(f, ([f.fieldPath] + (f.?json.orValue([]) +"
                    f" f.?yaml.orValue([])).map(s, s.subPath)).all(p, {_POINTER})))"
                ),
                "spec.overrideRules: fieldOverrider's paths must be JSON pointers",
            ),
            (
                (
                    "variables.fields.all(fs, fs.all(f, (f.?json.orValue([]) + f.?yaml.orValue([])).all(s,"
                    " (s.operator == 'remove') != s.?value.hasValue())))"
                ),
                "spec.overrideRules: fieldOverrider's add and replace need a value, remove has none",
            ),
        ),
    ),
    _Rules(
        "clusters",
        CLUSTER_API.partition("/")[0],
        ("clusters",),
        variables=(("endpoint", "object.spec.?apiEndpoint.orValue('')"),),
        rules=(
            ("object.metadata.name.size() <= 48", "metadata.name must be no more than 48 characters"),
            ("!format.dns1123Label().validate(object.metadata.name).hasValue()", "metadata.name must be a DNS label"),
            (
                (
                    "variables.endpoint == '' ||"
                    " (isURL(variables.endpoint) && url(variables.endpoint).getHostname() != '')"
                ),
                "spec.apiEndpoint must be a URL with a scheme and a host",
            ),
            (
                "['@', '?', '#'].all(c, !variables.endpoint.contains(c))",
                "spec.apiEndpoint must have no user, query or fragment",
            ),
            (
                (
                    "[?object.spec.?secretRef, ?object.spec.?impersonatorSecretRef].all(r,"
                    " r.?namespace.orValue('') != '' && r.?name.orValue('') != '')"
                ),
                "spec.secretRef and spec.impersonatorSecretRef need a namespace and a name",
            ),
            (
                (
                    "object.spec.?proxyURL.orValue('') == '' ||"
                    " ['http://', 'https://', 'socks5://'].exists(s, object.spec.proxyURL.startsWith(s))"
                ),
                "spec.proxyURL must be a URL of http, https or socks5",
            ),
            (
                (
                    "([?object.spec.?provider, ?object.spec.?region] + object.spec.?zones.orValue([])).all(v,"
                    " !format.labelValue().validate(v).hasValue())"
                ),
                "spec.provider, spec.region and spec.zones must be valid as label values",
            ),
            (
                "!object.spec.?zone.hasValue() || object.spec.?zones.orValue([]).size() == 0",
                "spec: zone and zones exclude each other",
            ),
            (
                (
                    "object.spec.?taints.orValue([]).all(t, !format.qualifiedName().validate(t.key).hasValue() &&"
                    " t.effect in ['NoSchedule', 'PreferNoSchedule', 'NoExecute'])"
                ),
                "spec.taints: each needs a valid key and an effect",
            ),
        ),
    ),
    _Rules(
        "protection",
        "*",
        ("*",),
        operations=("DELETE",),
        rules=(
            (
                (
                    "oldObject == null || oldObject.metadata.?labels"
                    "[?'resourcetemplate.karmada.io/deletion-protected'].orValue('') != 'Always'"
                ),
                "the object is protected by the label resourcetemplate.karmada.io/deletion-protected",
            ),
        ),
    ),
)


def install_rules(connection: Connection) -> None:
    """Install the rules, and wait until they are in force, since the API server applies them with a delay."""
    for one in _RULES:
        for obj in _objects(one):
            apply(connection, obj)
    wait_until(lambda: _in_force(connection), seconds=_SECONDS, doing="waiting for the stand-in's admission rules")


def _objects(one: _Rules) -> tuple[Object, Object]:
    name = f"stand-in-{one.name}"
    rule = {
        "apiGroups": [one.group],
        "apiVersions": ["*"],
        "resources": list(one.resources),
        "operations": list(one.operations),
    }
    policy = {
        "apiVersion": _ADMISSION_API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "variables": [{"name": key, "expression": expression} for key, expression in one.variables],
            "validations": [{"expression": expression, "message": message} for expression, message in one.rules],
        },
    }
    binding = {
        "apiVersion": _ADMISSION_API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return policy, binding


def _in_force(connection: Connection) -> bool:
    """Return whether the rules refuse invalid objects, which are created only in dry runs."""
    nothing: Object = {"resourceSelectors": []}
    probes: tuple[tuple[str, str, Object], ...] = (
        (POLICY_API, "ClusterPropagationPolicy", {**nothing, "placement": {}}),
        (POLICY_API, "ClusterOverridePolicy", {**nothing, "overrideRules": [{"overriders": {}}], "targetCluster": {}}),
        (CLUSTER_API, "Cluster", {"syncMode": "Push", "apiEndpoint": "no-url"}),
    )
    for api_version, kind, spec in probes:
        probe = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "probe"}, "spec": spec}
        try:
            connection.create(probe, field_manager="probe", dry_run=True)
        except ApiError as error:
            if "stand-in-" in error.message:
                continue
        return False
    return True
