"""The notices of a plan about a workload's overrides, replicas and Jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flotilla.karmada.rendering.reach import Notice, Reach, reach
from flotilla.karmada.rendering.upkeep import Upkeep, upkeep
from flotilla.karmada.scheduling import ClusterFacts, divides
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object
from flotilla.plan.caveats import Caveat
from flotilla.plan.followers import Dependencies


def notices_of(
    inputs: Object,
    places: Mapping[str, Iterable[str]],
    members: Sequence[ClusterFacts],
    everything: Sequence[Object],
    version: Version = SUPPORTED.newest,
) -> tuple[Notice, ...]:
    """Return the notices of a workload.

    Args:
        inputs: its Rollout's inputs, without secrets' marks: templates, overrideRules, overrideNumbers and placement.
        places: by template, the clusters that get it or may get it.
        members: the clusters.
        everything: the templates of all workloads.
        version: Karmada's version.
    """
    templates, rules, numbers = (inputs.get(key) for key in ("templates", "overrideRules", "overrideNumbers"))
    if not isinstance(templates, list):
        return ()
    facts = {one.name: one for one in members}
    placed = {template: [facts[name] for name in sorted(set(names))] for template, names in places.items()}
    divided = divides(inputs.get("placement") or {})
    numbers = numbers if isinstance(numbers, list) else ()
    found = reach(templates, rules if isinstance(rules, list) else [], placed, version, numbers)
    return (*found, *upkeep(templates, divided=divided, everything=everything))


def owner_notes(templates: Mapping[str, Sequence[Object]]) -> list[str]:
    """Return a line for each case in which an autoscaler among the templates and Karmada both set replicas.

    Args:
        templates: the templates by workload.
    """
    everything = [template for ones in templates.values() for template in ones]
    return [
        f"workload {name}: {notice_text(notice)}"
        for name, ones in templates.items()
        for notice in upkeep(ones, divided=False, everything=everything)
        if notice.what == Upkeep.TWO_OWNERS
    ]


def notice_text(notice: Notice) -> str:
    """Return a notice as one line."""
    return _TEXTS[notice.what].format(
        template=notice.template,
        clusters=", ".join(notice.clusters),
        named=f" ({', '.join(notice.clusters)})" if notice.clusters else "",
        step=notice.step,
        detail=notice.detail,
    )


_TEXTS: dict[str, str] = {
    Reach.FAILS: (
        "the override fails on {template} in {clusters}: {step}: {detail}. Karmada sends nothing there: fix it"
    ),
    Reach.NO_CLUSTER: "{step} applies to no cluster that gets the workload{named}",
    Reach.NOTHING: "an override reaches nothing ({step}): {detail}",
    Reach.PASSES_OVER: (
        "{template}: the image override ignores {detail}: it changes only containers of pods; name other images "
        "by their path"
    ),
    Reach.DROPS_DIGEST: (
        "{template} in {clusters}: the image override drops the digest: {detail}; it stays "
        "where the image has no tag, or where the tag is overridden by a digest"
    ),
    Upkeep.TWO_OWNERS: (
        "{template}: Karmada and {detail} both set its replicas, and Karmada resets them at every sync; declare "
        "`autoscaled: true` for a workload of Deployments, or use a FederatedHPA"
    ),
    Upkeep.SCALED: (
        "{template}: {detail} of the control plane sets its replicas: the manifest's number is only the initial one, "
        "and no run resets it"
    ),
    Upkeep.OWN_REPLICAS: "{template}: members keep their own number of replicas once it runs there (autoscaled)",
    Upkeep.RUNS_EVERYWHERE: "{template}: a CronJob is not divided: it runs in every chosen cluster",
    Upkeep.DELETED_WHEN_DONE: (
        "{template}: the control plane deletes it in all clusters {detail} s after all copies have finished; it runs "
        "again only once its declaration changes; members don't get spec.ttlSecondsAfterFinished"
    ),
    Caveat.BY_STATE: (
        "the control plane was not read ({detail}): this plan uses the taints and interpreters in the state, so "
        "Karmada may choose differently"
    ),
    Caveat.HIDDEN_TEMPLATES: (
        "its objects are hidden, since one of them is a Secret: the plan doesn't show what clusters get of it"
    ),
    Caveat.HIDDEN_RULES: (
        "its overrides are hidden, since one of them sets a secret: copies are shown without any of its overrides"
    ),
    Caveat.LAZY: (
        "the change of the policy has no effect yet on {template}: with `activation: Lazy` Karmada applies it with "
        "the next change of the object"
    ),
    Caveat.ADOPTED: "{template} exists already and becomes this stack's",
    Caveat.AWAKENED: (
        "{template}: {detail} is lazy, and the adoption changes the object: a change of the policy that has had no "
        "effect yet takes effect with this `up`"
    ),
    Caveat.CLAIMED: "{template} is claimed by {detail}",
    Caveat.READY: "done when every object is healthy, but {detail}",
    Caveat.MOVES: "first on {clusters}, then off {detail}",
    Caveat.WAITS: "no object changes: `up` waits until it is ready everywhere",
    Caveat.UNSERVED: (
        "{template} in {clusters}: {detail}: nothing seemed to provide it at the last check of the workload, so it is "
        "not waited for; an entry `healthy` in `ready` waits for it"
    ),
    Dependencies.MISSING: (
        "{template} uses {detail}, which neither this stack nor the control plane has: it follows once it is in the "
        "control plane; until then members need it already"
    ),
    Dependencies.INTERPRETED: (
        "{template}: a custom interpreter decides what follows it (`dependencies: true`), which this plan doesn't show"
    ),
}


def to_json(notice: Notice) -> dict[str, Any]:
    """Return a notice in its JSON form."""
    return {
        "what": str(notice.what),
        **({"template": notice.template} if notice.template else {}),
        **({"clusters": list(notice.clusters)} if notice.clusters else {}),
        **({"step": notice.step} if notice.step else {}),
        **({"detail": notice.detail} if notice.detail else {}),
        "text": notice_text(notice),
    }
