"""The sections of the stack file's reference: order, headings and links. Everything else comes from the models."""

from __future__ import annotations

from dataclasses import dataclass

INSTALLATION = "installation.md"
STACK_FILE = "stack-file.md"


@dataclass(frozen=True)
class Section:
    """A heading, and the model whose keys it lists."""

    heading: str
    model: str = ""
    more: str = ""
    """Links, and text about no single key."""


_MANIFESTS = """An entry is one of:

- a file;
- a folder: its `.yaml`, `.yml` and `.json` files, without those of folders below it;
- a pattern with `*`, `?` and `[...]` within names, and `**` for any folders. It matches the same three endings.

Files are sorted by path. A file that two entries match is read once. A file of a folder without any object in it, such
as one with comments only, is ignored. Hidden files and folders are ignored, and linked folders are not followed. A link
that leads out of the project is refused. How files are read: [files](files.md)."""
_EXPRESSIONS = """These texts of an override may contain expressions: `image` and its `append`, `command`,
`removeCommand`, `args`, `removeArgs`, the values of `labels`, `annotations`, `replaceLabels` and `replaceAnnotations`,
and every text in the `value` of `patches` and of the patches of `fields`, at any depth. Paths, keys and the name of the
container can't. Without `evaluate` no text is evaluated. Guide: [values per cluster](../guides/values-per-cluster.md).

| expression | value |
| --- | --- |
| `${member.name}` | The name of the member. |
| `${member.provider}`, `${member.region}` | The member's value of this key. |
| `${member.zones}`, `${member.zones[0]}` | Its zones as a list; one of them. |
| `${member.labels.tier}`, `${member.labels["example.org/tier"]}` | One of its labels. |
| `${member.facts.registry}`, `${member.facts.db.ports[0]}` | One of its facts, at any depth. |
| `${member.facts.size:-2}` | The same, with a default for a member that lacks it or has an empty text. |
| `$${` | The characters `${`. |

A key with characters other than letters, digits, `-` and `_` is quoted. A default is a number, `true`, `false`, or a
text in double quotes as in JSON; anything else is a text."""

STACK = (
    Section(
        "`flotilla:clusters`",
        more="Clusters that this stack creates: [keys](installation.md#each-of-flotillaclusters).",
    ),
    Section("`flotilla:controlPlane`", "ControlPlane", "Keys of `helm`: [installation](installation.md#helm)."),
    Section("A `kubeconfig`", "Kubeconfig"),
    Section("Each of `flotilla:members`", "Member", "Guide: [join your clusters](../guides/join-clusters.md)."),
    Section("Each of `taints`", "Taint"),
    Section("`agent` of a member", "Agent", "Guide: [pull mode](../guides/pull-mode.md)."),
    Section("`maintenance` of a member", "Maintenance", "Guide: [maintenance](../guides/maintenance.md)."),
    Section(
        "`flotilla:membersFrom`",
        more="The name of another stack of this project. Workloads of this stack may be placed on its members.",
    ),
    Section(
        "Each of `flotilla:workloads`",
        "Workload",
        "Guide: [workloads](../guides/workloads.md). Fields of Karmada's policies: [keys](karmada-fields.md). "
        "Policies that you wrote: [guide](../guides/own-policies.md).",
    ),
    Section("`resources`", "Resources"),
    Section("`source`", "OwnSource", "Guide: [a project of your own](../guides/own-project.md#sources)."),
    Section(
        "Each of `components`", "OwnComponent", "Guide: [a project of your own](../guides/own-project.md#components)."
    ),
    Section(
        "`manifests`",
        more=_MANIFESTS,
    ),
    Section("Each of `secrets`", "WorkloadSecret", "Guide: [secrets](../guides/workloads.md#secrets), also with SOPS."),
    Section(
        "`ready`",
        "Readiness",
        "Which objects need a controller: [when a workload is done](../guides/workloads.md#when-a-workload-is-done). "
        "Which fields Karmada collects: [decision](../decisions/readiness.md).",
    ),
    Section("`rollout`", "RolloutStrategy", "Guide: [waves](../guides/waves.md)."),
    Section("Each of `waves`", "RolloutWave"),
    Section("`gate`", "RolloutGate"),
    Section("Each of `checks`", "GateCheck", "How they are judged: [checks](rollout.md#checks)."),
    Section(
        "`chart` of a workload",
        "WorkloadChart",
        "Guide: [charts and kustomizations](../guides/charts-and-kustomizations.md).",
    ),
    Section("`kustomize`", "Kustomization"),
    Section("`placement`", "Placement"),
    Section("Each of `labelExpressions`", "LabelExpression"),
    Section("Each of `fieldExpressions`", "FieldExpression"),
    Section("Each of `groups`", "Group"),
    Section("Each of `overflow`", "OverflowGroup"),
    Section("Each of `tolerations`", "Toleration"),
    Section("Each of `spread`", "Spread"),
    Section("Each of `weightRules`", "WeightRule"),
    Section("`workloadAffinity`", "WorkloadAffinity"),
    Section("`failover`", "Failover"),
    Section("`application` of `failover`", "ApplicationFailover"),
    Section("`cluster` of `failover`", "ClusterFailover"),
    Section("Each of `overrides`", "Override"),
    Section("Each of `objects` of an override", "OverriddenObject"),
    Section(
        "Expressions, with `evaluate: true`",
        more=_EXPRESSIONS,
    ),
    Section("`image` of an override", "ImageOverride"),
    Section("`append` of an image", "ImageParts"),
    Section("Each of `fields`", "FieldOverride"),
    Section("Each of `patches`", "Patch"),
    Section(
        "Each of `flotilla:objects`",
        "ObjectGroup",
        "Guide: [objects of the control plane](../guides/control-plane-objects.md).",
    ),
    Section(
        "`flotilla:rollout`",
        more="The keys of [`rollout`](#rollout), for each workload without a `rollout` of its own.",
    ),
    Section("`flotilla:policies`", "PolicySettings", "Rules and guards: [policies](policies.md)."),
    Section("Each of `exemptions`", "Exemption"),
    Section("`guards`", "Guards", "How they are judged: [guards](policies.md#guards)."),
    Section("Each of `freeze`", "Freeze"),
    Section("`flotilla:drift`", "DriftSettings", "Findings and rules: [drift](drift.md#ignored-findings)."),
    Section("Each of `ignore`", "IgnoredDrift"),
)
HELM = (
    Section("`helm`", "HelmControlPlane"),
    Section("`endpoint`", "Endpoint"),
    Section("`chart`", "Chart"),
    Section("`images`", "Images"),
    Section("`resources` of a component", "Quantities"),
    Section("`certificates`", "Certificates"),
    Section("`etcd`", "Etcd"),
    Section("`external` of `etcd`", "ExternalEtcd"),
    Section("Each of `flotilla:clusters`", "KindCluster"),
    Section("Each of `nodes`", "KindNode"),
    Section("Each of `kubeadmConfigPatchesJSON6902`", "Json6902Patch"),
    Section("`networking`", "KindNetworking"),
    Section("Each of `extraPortMappings`", "PortMapping"),
    Section("Each of `extraMounts`", "Mount"),
)
CONDITIONS = "Affinity"
"""The model whose keys other models have, too. Of their sections only that of `placement` lists these keys."""
LISTED_AS = {CONDITIONS: "Placement"}
"""The models without their own section, with the model whose section lists their keys."""
