"""A rule about images: they have to name a version."""

from collections.abc import Iterator

from flotilla.karmada.rendering.images import Image
from flotilla.karmada.selection import selects
from flotilla.policy.model import Resource, Rule, StackView, value_at

from .pods import containers, name_of, with_pods

_OVERRIDES = ("OverridePolicy", "ClusterOverridePolicy")
MOVING = ("", "latest")


def _subjects(view: StackView) -> list[Resource]:
    return [*with_pods(view), *view.policies(*_OVERRIDES)]


def _judge(resource: Resource, view: StackView) -> Iterator[str]:
    if resource.kind.endswith("OverridePolicy"):
        yield from _judge_override(resource)
        return
    for container in containers(resource):
        image = str(value_at(container, "image", default=""))
        if _version(image) in MOVING:
            yield f"container {name_of(container)} runs {image or 'no image'}, which has no fixed version"
        elif _tag_beside_digest(image) in MOVING and any(_rewrites(p, resource) for p in view.policies(*_OVERRIDES)):
            yield f"container {name_of(container)} runs {image}, and Karmada's image override drops the digest"


def _tag_beside_digest(image: str) -> str | None:
    """Return the tag of an image that has a digest as well; None for any other image."""
    try:
        parsed = Image.parse(image)
    except ValueError:
        return None
    return parsed.tag if parsed.tag and parsed.digest else None


def _rewrites(policy: Resource, resource: Resource) -> bool:
    """Return whether an override policy changes any part of the resource's images other than the tag."""
    rules = policy.at("spec", "overrideRules", default=[])
    steps = [step for rule in rules for step in value_at(rule, "overriders", "imageOverrider", default=[])]
    if all(step.get("component") == "Tag" for step in steps):
        return False
    policy.at("spec", "resourceSelectors", default=[])  # raises Undecidable where it isn't known
    return selects(policy.props, resource.props)


def _version(image: str) -> str:
    """Return an image's digest or tag; a text that isn't an image reference is returned as it is."""
    try:
        return Image.parse(image).version
    except ValueError:
        return image


def _judge_override(policy: Resource) -> Iterator[str]:
    for rule in policy.at("spec", "overrideRules", default=[]):
        for override in value_at(rule, "overriders", "imageOverrider", default=[]):
            removes = override.get("operator") == "remove"
            if override.get("component") == "Tag" and (removes or override.get("value") in MOVING):
                yield f"an override sets the tag to {override.get('value') or 'nothing'}, which isn't a fixed version"


IMAGES_PINNED = Rule(
    "images-pinned",
    "The meaning of a moving tag differs by day and by node: members would run different images under the same name",
    "give a version, or better a digest",
    _subjects,
    _judge,
)
