"""A workload that Karmada propagates: templates, the policies that place them, and the differences between clusters.

Templates are named after the object, not after the workload. So the resource stays the same if an object moves to
another workload, or if its workload gets another name (docs/decisions/names-of-templates.md).
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import pulumi

from flotilla.karmada.kinds import (
    BUILT_IN,
    DEFINITION,
    NAMESPACE,
    GroupKind,
    Identity,
    Kinds,
    defined_kind,
    defined_kinds,
    goes_by_itself,
    identity,
    kind_of,
    other_versions,
)
from flotilla.karmada.propagation import ON_REMOVAL, propagation_policy, template
from flotilla.karmada.rendering.policies import rules_of_all
from flotilla.karmada.scaling import REPLICAS, scaler_of
from flotilla.karmada.selection import OVERRIDES, POLICIES
from flotilla.karmada.status.overriding import OTHERS, OWN, as_input
from flotilla.karmada.template_references import DIGEST, reference_to
from flotilla.karmada.versions import Version
from flotilla.karmada.waves.subject import ATTEMPT, ROLLOUT
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.stack.readiness import plain_rules
from flotilla.stack.specs import propagation_spec, rules_for_objects, served_affinities
from flotilla.stack.workloads import OnRemoval, Workload
from flotilla.workloads.needs import follower_key, policy_key
from flotilla.workloads.own_policies import OwnPolicies, PolicySet

from .hold import Hold
from .karmada_control_plane import KarmadaControlPlane
from .keeping import Keeping
from .kubernetes_object import KubernetesObject, type_token
from .move import Move
from .rollout import Rollout
from .secret_patches import refuse_placeholders, sealed_patches
from .served_kinds import ServedKinds
from .withdrawal import Withdrawal

_TYPE = "flotilla:index:PropagatedWorkload"


class PropagatedWorkloadArgs(TypedDict):
    """What a workload declares, and where."""

    control_plane: KarmadaControlPlane
    """The control plane that propagates it."""
    workload: Workload
    """The workload as in the stack file."""
    objects: list[dict[str, Any]]
    """The workload's objects, as plain dicts of any kind. The workload's namespace applies to those that don't name
    one."""
    version: NotRequired[str]
    """Karmada's version, without a leading v; the newest supported one if it is missing or empty."""
    members: NotRequired[dict[str, pulumi.Input[dict[str, str]]]]
    """The members that should run it, by name: `id` is the UID, `unanswered` the reason why one doesn't answer, or
    ''."""
    kinds: NotRequired[Kinds]
    """Facts about custom kinds, in addition to the definitions among the objects."""
    given_overrides: NotRequired[list[ObjectRef]]
    """The override policies of the stack's workloads that users wrote as such."""
    custom: NotRequired[list[GroupKind]]
    """Kinds that other workloads of the stack define: if this workload has objects of these kinds, it waits for
    them."""


class PropagatedWorkload(pulumi.ComponentResource):
    """Templates with their policies; done when every chosen cluster is healthy.

    The objects of each namespace have a PropagationPolicy and an OverridePolicy; those without a namespace have a
    cluster-wide pair. Policies in the workload's own namespace are named after the workload, others after the workload
    and the namespace.

    The order is: namespaces; definitions with their policy, until every chosen cluster serves their kinds; the other
    policies; the other templates; the rollout. A destroy has the reverse order, and ends when no Ready cluster has a
    copy. If copies should stay, it begins when Karmada knows that for each copy, and ends when each copy is released.
    """

    templates: list[KubernetesObject]
    """The templates in the control plane, in the order of the files."""

    by_identity: dict[Identity, KubernetesObject]
    """The templates by group, kind, namespace and name, for objects of the control plane that refer to them."""

    first: dict[str, pulumi.Resource]
    """Resources that other workloads may need, by the key of a `Need`: namespaces, definitions, policies, the
    rollout."""

    def __init__(self, name: str, args: PropagatedWorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a workload. Policies come before templates: Karmada never sees a template without its policy."""
        workload = args["workload"]
        refuse_placeholders(workload.name, args["objects"])
        former = workload.formerly
        aliases = [pulumi.Alias(name=former)] if former else []
        super().__init__(
            _TYPE,
            name,
            None,
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=aliases)),
        )
        self._nested = opts is not None and opts.parent is not None
        self._name = name
        self._policy = former or name
        self._args = args
        self._workload = workload
        version = Version.parse(args["version"]) if args.get("version") else None
        self._spec = propagation_spec(workload, version)
        # Without the patch release: it doesn't change the rules that the waits depend on.
        self._karmada = {"karmadaVersion": str(version)} if version else {}
        self._child = pulumi.ResourceOptions(parent=self, provider=args["control_plane"].provider)
        own = defined_kinds(args["objects"])
        self._kinds = own.over(args.get("kinds") or BUILT_IN)
        defined = {*own.namespaced, *args.get("custom", ())}
        manifests = [self._as_template(m) for m in args["objects"]]
        keeps = workload.on_removal is OnRemoval.KEEP
        if keeps:
            manifests = [_with_keep_mark(m) for m in manifests]
        self._rules = rules_for_objects(workload, manifests)
        self._overriding = [ref_of(policy) for policy in (workload.given.overrides if workload.given else ())]
        custom = [m for m in manifests if kind_of(m) in defined]
        self._withdrawal = Withdrawal(
            name,
            manifests,
            pulumi.ResourceOptions(parent=self),
            kubeconfig=args["control_plane"].kubeconfig,
            timeout=workload.timeout,
            before=workload.after,
            keeps=keeps,
        )
        self._holds: list[Hold] = []
        self._declare(manifests, custom)
        self.register_outputs({})

    def _declare(self, manifests: list[dict[str, Any]], custom: list[dict[str, Any]]) -> None:
        """Declare policies, templates and the rollout.

        Args:
            manifests: the templates.
            custom: those of the templates whose kind the stack defines.
        """
        workload = self._workload
        ahead = [m for m in manifests if kind_of(m) == NAMESPACE]
        # Definitions have a separate policy only where something waits for them; otherwise one policy sends everything
        # that is cluster-wide.
        definitions = [m for m in manifests if custom and kind_of(m) == DEFINITION]
        rest = [m for m in manifests if m not in ahead and m not in definitions]
        made = {id(m): self._template(m, []) for m in ahead}
        before: list[pulumi.Resource] = list(made.values())
        policies_of = OwnPolicies(self._policy, workload.namespace, self._spec, self._rules)
        self._further = {} if workload.given else policies_of.further(rest)
        defining = [policies_of.of_definitions(definitions)] if definitions and not workload.given else []
        others = [] if workload.given else policies_of.of_others(ahead, rest)
        sets = [*defining, *others]
        waves = self._waves(sets, custom)
        chain = self._chain(manifests)
        holding = {**{key: value for key, value in chain.items() if key not in ("members", "ready")}, ROLLOUT: waves}
        before += self._hold("", holding, before) if waves else []
        # Differences between clusters apply before a cluster gets a copy: first overrides, then the move, then the
        # policies.
        given = self._given(before, OVERRIDES)
        overriding = [*given.values(), *(one for policies in sets for one in self._overrides(policies, before))]
        # In waves, a cluster gets copies in its wave.
        moved = [] if waves else [self._move(chain, sets, custom, [*before, *overriding])]
        given |= self._given([*before, *moved], POLICIES)
        policies: list[pulumi.Resource] = list({id(one): one for one in (*overriding, *given.values())}.values())
        for one in defining:
            policies += self._sender(one, [*self._holds, *moved])
        made |= {id(m): self._template(m, policies) for m in definitions}
        if custom:
            before.append(self._served(custom, [*before, *(made[id(m)] for m in definitions)]))
        for one in others:
            policies += self._sender(one, [*before, *moved])
        if waves:
            # New policies could not be held back before they existed.
            policies += self._hold("-new", holding, [*before, *policies])
        made |= {id(m): self._template(m, [*before, *policies]) for m in rest}
        self.templates = [made[id(m)] for m in manifests]
        self.by_identity = {identity(m): made[id(m)] for m in manifests}
        self.first = {
            **{f"namespace/{m['metadata']['name']}": made[id(m)] for m in ahead},
            **{_definition(m): made[id(m)] for m in manifests if kind_of(m) == DEFINITION},
            **given,
            **{follower_key(m): made[id(m)] for m in manifests if workload.given and workload.given.follows(m)},
            "rollout": self._rollout(waves, chain, [*before, *policies, *self.templates]),
        }
        if workload.on_removal is OnRemoval.KEEP:
            self._keeping(manifests, [*before, *policies, *self.templates])

    def _keeping(self, manifests: list[dict[str, Any]], before: list[pulumi.Resource]) -> None:
        """Declare the resource that waits, at the end, until the copies of templates are certain to stay."""
        Keeping(
            self._name,
            manifests,
            pulumi.ResourceOptions(parent=self, depends_on=before),
            kubeconfig=self._args["control_plane"].kubeconfig,
            timeout=self._workload.timeout,
        )

    def _as_template(self, obj: dict[str, Any]) -> dict[str, Any]:
        return template(obj, namespace=self._workload.namespace, kinds=self._kinds)

    def _after(self, resources: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=resources))

    def _sender(self, policies: PolicySet, before: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Declare the policy that sends templates, unless Karmada sends them without a policy."""
        if not policies.propagation:
            return []
        name = f"{self._name}{policies.suffix}-policy"
        return [KubernetesObject(name, policies.propagation, self._after(before))]

    def _overrides(self, policies: PolicySet, before: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Declare the policies that make templates differ by cluster."""
        declared: list[pulumi.Resource] = []
        shared: list[pulumi.Resource] = []
        for ending, override in policies.overrides.items():
            resource = f"{self._name}{policies.suffix}{ending}-override"
            # The shared policy has selected the object until now: both policies would apply at the same time.
            declared.append(KubernetesObject(resource, self._sealed(override), self._after([*before, *shared])))
            if ending:
                self._overriding.append(ref_of(override))
            else:
                shared = declared[-1:]
        return declared

    def _waves(self, sets: list[PolicySet], custom: list[dict[str, Any]]) -> dict[str, Any]:
        """Return how changes reach clusters in waves, and the policies that are held back; empty without waves."""
        strategy = self._workload.rollout
        if not strategy:
            return {}
        given = self._workload.given
        written = [ref_of(one) for one in given.declares] if given else []
        sending = [one for one in written if one.kind in POLICIES]
        overriding = [one for one in written if one not in sending]
        for own in sets:
            sending, overriding = sending + own.refs()[0], overriding + own.refs()[1]
        kinds = _kinds(custom)
        return {
            **strategy.plain(),
            "policies": [list(one) for one in sending],
            "overrides": [list(one) for one in overriding],
            "record": [self._workload.namespace, self._policy],
            **({"kinds": [{"apiVersion": version, "kind": kind} for version, kind in kinds]} if kinds else {}),
        }

    def _hold(self, ending: str, inputs: dict[str, Any], before: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Declare that clusters are held back; a second Hold refers to the first one."""
        props = {**inputs, **({"after": self._holds[-1].attempt} if self._holds else {})}
        opts = pulumi.ResourceOptions(parent=self, depends_on=[self._withdrawal, *before])
        self._holds.append(Hold(f"{self._name}{ending}-hold", props, opts))
        return [self._holds[-1]]

    def _given(self, before: list[pulumi.Resource], kinds: tuple[str, ...]) -> dict[str, KubernetesObject]:
        """Declare the policies of some kinds that their author wrote; return each by the key of a `Need`."""
        declared = self._workload.given.declares if self._workload.given else ()
        return {
            policy_key(p): KubernetesObject(template_name(p), self._sealed(p), self._after(before))
            for p in declared
            if p["kind"] in kinds
        }

    def _sealed(self, policy: dict[str, Any]) -> dict[str, Any]:
        """Return a policy in which values for Secrets are Pulumi secrets."""
        rules = policy["spec"].get("overrideRules")
        if not rules:
            return policy
        return {**policy, "spec": {**policy["spec"], "overrideRules": sealed_patches(rules, self._args["objects"])}}

    def _template(self, manifest: dict[str, Any], before: list[pulumi.Resource]) -> KubernetesObject:
        """Declare a template. Aliases match its former name, and the other versions of its group."""
        name, metadata = template_name(manifest), manifest["metadata"]
        types = [type_token({**manifest, "apiVersion": version}) for version in other_versions(manifest["apiVersion"])]
        names = [name]
        if metadata.get("namespace") in (None, self._workload.namespace):  # states of earlier versions have this name
            names.append(f"{self._name}-{manifest['kind'].lower()}-{metadata['name']}")
        known = type_token(manifest)
        aliases = [self._alias(n, t) for t in (known, *types) for n in names if (n, t) != (name, known)]
        after = self._after([self._withdrawal, *before])
        ignored = [REPLICAS] if scaler_of(manifest) else None
        options = pulumi.ResourceOptions(aliases=aliases, ignore_changes=ignored)
        return KubernetesObject(name, manifest, pulumi.ResourceOptions.merge(after, options))

    def _alias(self, name: str, type_: str) -> str | pulumi.Alias:
        """Return an alias of a template; as a URN where the workload is a direct child of the stack.

        The SDK creates a dozen outputs for each alias that isn't a URN, and the templates of a chart have a thousand
        aliases.
        """
        if self._nested:
            return pulumi.Alias(name=name, type_=type_)
        stack, project = pulumi.get_stack(), pulumi.get_project()
        return f"urn:pulumi:{stack}::{project}::{_TYPE}${type_}::{name}"

    def _served(self, custom: list[dict[str, Any]], before: list[pulumi.Resource]) -> ServedKinds:
        listed = _kinds(custom)
        affinities = served_affinities(self._workload)
        props = {
            "kubeconfig": self._args["control_plane"].kubeconfig,
            "workload": self._name,
            "kinds": [{"apiVersion": api_version, "kind": kind} for api_version, kind in listed],
            # A single affinity is a plain value, as in states of earlier versions.
            "affinity": affinities[0] if affinities else {},
            **({"affinities": affinities} if len(affinities) != 1 else {}),
            "timeout": self._workload.timeout,
            **self._karmada,
        }
        opts = pulumi.ResourceOptions(parent=self, depends_on=before)
        return ServedKinds(f"{self._name}-kinds", props, opts)

    def _chain(self, manifests: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the waits for the workload's copies depend on: what is declared, and where."""
        given = self._workload.given
        followers = [self._as_template(one) for one in given.followers] if given else []
        manifests = [one for one in manifests if not (given and given.follows(one))]
        # Karmada has a policy of its author unchanged, without the additions of the stack's own policies.
        own = propagation_policy(self._name, namespace=None, templates=manifests, spec=self._spec)
        spec = given.sender["spec"] if given else own["spec"]
        rules = rules_of_all(given.overrides, [*manifests, *followers]) if given else self._rules
        suspended = spec.get("suspension")
        return {
            "kubeconfig": self._args["control_plane"].kubeconfig,
            "workload": self._name,
            "templates": [_reference(manifest) for manifest in manifests],
            "placement": spec["placement"],
            "overrideRules": sealed_patches(rules, [*manifests, *followers]),
            "members": self._args.get("members") or {},
            "timeout": self._workload.timeout,
            **({"followers": [_reference(one) for one in followers]} if followers else {}),
            **({"suspension": suspended} if suspended else {}),
            **({"lazy": True} if self._workload.activation else {}),
            **({"ready": plain_rules(self._workload.ready)} if self._workload.ready else {}),
            **self._karmada,
        }

    def _move(
        self,
        chain: dict[str, Any],
        sets: list[PolicySet],
        custom: list[dict[str, Any]],
        before: list[pulumi.Resource],
    ) -> Move:
        given = self._workload.given
        refs = [ref_of(one) for one in (given.declares if given else ()) if one["kind"] in POLICIES]
        refs += [ref for policies in sets for ref in policies.refs()[0]]
        props = {
            **chain,
            "policyRefs": [list(ref) for ref in refs],
            **({"kinds": [list(kind) for kind in _kinds(custom)]} if custom else {}),
            **({"given": True} if given else {}),
        }
        return Move(f"{self._name}-move", props, pulumi.ResourceOptions(parent=self, depends_on=before))

    def _rollout(self, waves: dict[str, Any], chain: dict[str, Any], before: list[Any]) -> Rollout:
        given = self._workload.given
        name = given.sender["metadata"]["name"] if given else self._policy
        rollout = {
            **chain,
            "controlPlane": self._args["control_plane"].cluster_id,
            **_numbers(self._workload),
            **({"policy": name} if name != self._name else {}),
            **({"policies": {n: f"{self._policy}{s}" for n, s in self._further.items()}} if self._further else {}),
            **({"after": sorted(set(self._workload.after))} if self._workload.after else {}),
            **({OWN: as_input(self._overriding)} if self._overriding else {}),
            **({OTHERS: as_input(others)} if (others := self._args.get("given_overrides")) else {}),
            **({ROLLOUT: waves, ATTEMPT: self._holds[-1].attempt} if waves else {}),
        }
        return Rollout(f"{self._name}-rollout", rollout, pulumi.ResourceOptions(parent=self, depends_on=before))


def _kinds(custom: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the kinds of objects without duplicates: apiVersion and kind."""
    return sorted({(m["apiVersion"], m["kind"]) for m in custom})


def _with_keep_mark(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a template whose copies should stay: an object that is sent without a policy needs a mark for that."""
    if not goes_by_itself(manifest):
        return manifest
    metadata = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), ON_REMOVAL: "keep"}},
    }


def _numbers(workload: Workload) -> dict[str, list[int]]:
    """Return for each rule the number of its override, counted from 1, where overrides were evaluated."""
    numbers = [index + 1 for index, _ in workload.evaluated]
    return {"overrideNumbers": numbers} if any(override.evaluate for override in workload.overrides) else {}


def template_name(manifest: dict[str, Any]) -> str:
    """Return a template's resource name: `deployment-default/shop`, or `clusterrole-reader` without a namespace.

    The resource type contains the group. The name doesn't contain the workload's name, so the resource stays the same
    if the workload is renamed.
    """
    metadata = manifest["metadata"]
    within = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind'].lower()}-{within}{metadata['name']}"


def _definition(manifest: dict[str, Any]) -> str:
    group, kind = defined_kind(manifest) or ("", manifest["metadata"]["name"])
    return f"kind/{group}/{kind}"


def _reference(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what the Rollout stores of a template. A Secret's digest is secret: it would allow guessing values."""
    reference = reference_to(manifest)
    if manifest["kind"] != "Secret":
        return reference
    return {**reference, DIGEST: pulumi.Output.secret(reference[DIGEST])}
