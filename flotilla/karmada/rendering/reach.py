"""The effect of overrides: which ones fail, which ones change nothing in this workload, and what they skip.

Karmada silently applies every override that it can, even one without any effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla.karmada.rendering.defaults import with_defaults
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.images import Image, containers, image_paths
from flotilla.karmada.rendering.overriders import ORDER, apply_overriders
from flotilla.karmada.rendering.policies import Rules, in_stages, is_for, meets_condition, targets
from flotilla.karmada.rendering.traveling import traveling
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import ref_of

Object = dict[str, Any]
Placed = Mapping[str, Sequence[ClusterFacts]]
"""The clusters that get each template; the key is the template as `ObjectRef` writes it."""


class Reach(StrEnum):
    """The kinds of notices about an override."""

    FAILS = "fails"
    """Karmada fails on it, and sends nothing."""
    NO_CLUSTER = "no-cluster"
    """Its rule applies to no cluster that gets the workload."""
    NOTHING = "reaches-nothing"
    """It has no effect on any template of the workload."""
    PASSES_OVER = "passes-over-images"
    """It changes some images of a template and skips others."""
    DROPS_DIGEST = "drops-digest"
    """It changes an image with a digest, and Karmada drops the digest because the image has a tag as well, or gets
    one."""


@dataclass(frozen=True)
class Notice:
    """Something to know about a workload before it is applied."""

    what: str
    """A `Reach`, or an `Upkeep` (flotilla.karmada.rendering.upkeep)."""
    template: str = ""
    """The template, as `ObjectRef` writes it; empty where the notice is about all templates."""
    clusters: tuple[str, ...] = ()
    step: str = ""
    """The override's step, such as `replace /spec/replicas`."""
    detail: str = ""


@dataclass(frozen=True)
class _Step:
    """One step of a rule."""

    key: str
    """The kind of overrider, such as imageOverrider."""
    body: Object

    def __str__(self) -> str:
        match self.key:
            case "plaintext":
                return f"{self.body['operator']} {self.body['path']}"
            case "fieldOverrider":
                return f"the patch of the text at {self.body['fieldPath']}"
            case "imageOverrider":
                return f"image: {self.body['operator']} the {str(self.body['component']).lower()}"
            case "commandOverrider" | "argsOverrider":
                words = self.key.removesuffix("Overrider")
                return f"{words} of container {self.body['containerName']}: {self.body['operator']}"
        names = ", ".join(self.body.get("value") or {})
        return f"{self.key.removesuffix('Overrider')}: {self.body['operator']} {names}"


def reach(
    templates: Sequence[Object],
    rules: Sequence[Object],
    placed: Placed,
    version: Version = SUPPORTED.newest,
    numbers: Sequence[int] = (),
) -> list[Notice]:
    """Return the notices about a workload's override rules.

    Args:
        templates: the declared templates.
        rules: RuleWithCluster objects in the order in which they are applied.
        placed: the clusters that get each template.
        version: Karmada's version.
        numbers: for each rule, the number of its override; needed where one override consists of several rules.
    """
    found, listed = _Found(version), Rules(rules)
    overrides: dict[int, list[Object]] = {}
    counted = numbers if len(numbers) == len(rules) else range(1, len(rules) + 1)
    for number, rule in zip(counted, rules, strict=True):
        overrides.setdefault(int(number), []).append(rule)
    for number, same in overrides.items():
        steps = [step for rule in same for step in _steps(rule)]
        selected = [template for template in templates if any(is_for(rule, template) for rule in same)]
        getting = {c.name: c for template in selected for c in placed.get(str(ref_of(template)), ())}.values()
        if steps and getting and not any(targets(rule, c, version) for rule in same for c in getting):
            named = [n for rule in same for n in (rule.get("targetCluster") or {}).get("clusterNames") or []]
            found.notices.append(Notice(Reach.NO_CLUSTER, step=f"override {number}", clusters=tuple(named)))
    for template in templates:
        full = _as_claimed(template)
        for cluster in placed.get(str(ref_of(template)), ()):
            found.follow(full, cluster, listed.of(cluster, version))
    return found.all()


def _as_claimed(template: Object) -> Object:
    """Return a template as in the control plane: with defaults, and the maps in which Karmada records the policy."""
    full = with_defaults(template)
    for field in ("labels", "annotations"):
        full["metadata"][field] = full["metadata"].get(field) or {}
    return full


def _steps(rule: Object) -> Iterator[_Step]:
    overriders = rule.get("overriders") or {}
    for key in ORDER:
        yield from (_Step(key, body) for body in overriders.get(key) or [])


class _Found:
    """Collects what each step does to the templates, one step after another."""

    def __init__(self, version: Version) -> None:
        self.notices: list[Notice] = []
        self._version = version
        self._effective: set[int] = set()
        self._ineffective: dict[int, tuple[_Step, str]] = {}
        self._gathered: dict[tuple[str, str, str, str], list[str]] = {}

    def follow(self, template: Object, cluster: ClusterFacts, rules: Sequence[Object]) -> None:
        """Apply the steps of a cluster's rules one by one, as Karmada does, and record the effect of each."""
        first, then = in_stages(rules, template)
        between = self._steps_of(first, template, template, cluster)
        if between is not None:
            self._steps_of([rule for rule in then if meets_condition(rule, between)], between, template, cluster)

    def _steps_of(self, rules: Iterable[Object], obj: Object, template: Object, cluster: ClusterFacts) -> Object | None:
        """Record what rules do to an object of a template, and return the result; None where Karmada fails."""
        for step in (step for rule in rules for step in _steps(rule)):
            try:
                after = apply_overriders(obj, {step.key: [step.body]}, self._version)
            except OverrideError as error:
                self._note(Reach.FAILS, template, cluster, error.what, error.why)
                return None
            self._judge(template, cluster, step, (obj, after))
            obj = after
        return obj

    def _judge(self, template: Object, cluster: ClusterFacts, step: _Step, change: tuple[Object, Object]) -> None:
        before, after = change
        why = _why_no_effect(before, after, step)
        if why:
            self._ineffective.setdefault(id(step.body), (step, why))
        else:
            self._effective.add(id(step.body))
        if step.key == "imageOverrider":
            missed = [] if step.body.get("predicate") else _missed_images(before)
            if missed and image_paths(before):
                self._note(Reach.PASSES_OVER, template, cluster, "", ", ".join(missed))
            for old, new in _dropped_digests(before, after):
                self._note(Reach.DROPS_DIGEST, template, cluster, "", f"{old} → {new}")

    def _note(self, what: Reach, template: Object, cluster: ClusterFacts, step: str, detail: str) -> None:
        names = self._gathered.setdefault((what, str(ref_of(template)), step, detail), [])
        if cluster.name not in names:
            names.append(cluster.name)

    def all(self) -> list[Notice]:
        """Return everything that was recorded."""
        ineffective = [
            Notice(Reach.NOTHING, step=str(step), detail=why)
            for key, (step, why) in self._ineffective.items()
            if key not in self._effective
        ]
        gathered = [
            Notice(what, template, tuple(names), step, detail)
            for (what, template, step, detail), names in self._gathered.items()
        ]
        return list(dict.fromkeys([*self.notices, *ineffective, *gathered]))


def _why_no_effect(before: Object, after: Object, step: _Step) -> str:
    """Return why a step has no effect on an object; empty where it has one, or the object was like that already."""
    if before == after:
        return _why_unchanged(before, step)
    if traveling(before) == traveling(after):
        return "the field never travels to a member"
    return ""


def _why_unchanged(obj: Object, step: _Step) -> str:
    body, metadata = step.body, obj["metadata"]
    match step.key:
        case "imageOverrider" if not body.get("predicate") and not image_paths(obj):
            kind = obj["kind"]
            return f"Karmada's image override skips {kind}s" if _missed_images(obj) else f"a {kind} has no image"
        case "imageOverrider" if body["component"] == "Tag" and body["operator"] != "remove" and body.get("value"):
            return _why_no_tag(obj, body)
        case "commandOverrider" | "argsOverrider":
            named = [one.get("name") for one in containers(obj)]
            return "" if body["containerName"] in named else f"there is no container {body['containerName']}"
        case "labelsOverrider" | "annotationsOverrider" if body["operator"] != "add":
            field = step.key.removesuffix("Overrider")
            there = [key for key in body.get("value") or {} if key in (metadata.get(field) or {})]
            return "" if there else "the template has none of them"
    return ""


def _why_no_tag(obj: Object, body: Object) -> str:
    """Return a text if a value isn't a tag, so that Karmada leaves the image unchanged; else ''."""
    for container in containers(obj):
        try:
            image = Image.parse(str(container.get("image") or ""))
        except ValueError:
            continue
        if str(image.overridden("Tag", "replace", str(body["value"]))) == str(image) and body["value"] not in (
            image.tag,
            image.digest,
        ):
            return "the value is neither a tag nor a digest: Karmada leaves the image as it is"
    return ""


def _missed_images(obj: Object) -> list[str]:
    """Return the paths of images that an imageOverrider without a predicate skips."""
    known = set(image_paths(obj))
    return [path for path in _images(obj.get("spec"), "/spec") if path not in known]


def _images(value: Any, path: str) -> Iterator[str]:
    for key, entry in value.items() if isinstance(value, dict) else ():
        if key in ("containers", "initContainers") and isinstance(entry, list):
            for place, container in enumerate(entry):
                if isinstance(container, dict) and isinstance(container.get("image"), str):
                    yield f"{path}/{key}/{place}/image"
        yield from _images(entry, f"{path}/{key}")


def _dropped_digests(before: Object, after: Object) -> Iterator[tuple[str, str]]:
    for old, new in zip(containers(before), containers(after), strict=False):
        try:
            image, changed = (Image.parse(str(one.get("image") or "")) for one in (old, new))
        except ValueError:
            continue
        if image.digest and not changed.digest:
            yield str(old["image"]), str(new.get("image"))
