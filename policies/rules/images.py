"""Images say which version they are."""

from collections.abc import Iterator

from flotilla.karmada.rendering.images import Image
from flotilla.policy.model import Resource, Rule, StackView, value_at

from .pods import containers, name_of, with_pods

MOVING = ("", "latest")


def _subjects(view: StackView) -> list[Resource]:
    return [*with_pods(view), *view.policies("OverridePolicy", "ClusterOverridePolicy")]


def _judge(resource: Resource, _view: StackView) -> Iterator[str]:
    if resource.kind.endswith("OverridePolicy"):
        yield from _judge_override(resource)
        return
    for container in containers(resource):
        image = str(value_at(container, "image", default=""))
        if _version(image) in MOVING:
            yield f"container {name_of(container)} runs {image or 'no image'}, which has no fixed version"


def _version(image: str) -> str:
    """Return an image's digest or tag; of a text that is no image reference, the text."""
    try:
        return Image.parse(image).version
    except ValueError:
        return image


def _judge_override(policy: Resource) -> Iterator[str]:
    for rule in policy.at("spec", "overrideRules", default=[]):
        for override in value_at(rule, "overriders", "imageOverrider", default=[]):
            removes = override.get("operator") == "remove"
            if override.get("component") == "Tag" and (removes or override.get("value") in MOVING):
                yield f"an override sets the tag to {override.get('value') or 'nothing'}, which is no fixed version"


IMAGES_PINNED = Rule(
    "images-pinned",
    "What a moving tag means differs by day and by node: members would run different things that look the same",
    "give a version, or better a digest",
    _subjects,
    _judge,
)
