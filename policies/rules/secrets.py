"""A rule about secrets: they don't belong in files of the repository in plain text."""

import re
from collections.abc import Iterator

from flotilla.policy.model import Resource, Rule, StackView, value_at

from .pods import containers, name_of, with_pods

_SOUNDS_SECRET = re.compile(r"passw|passphrase|secret|token|api_?key|private_?key|credential", re.IGNORECASE)


def _subjects(view: StackView) -> list[Resource]:
    listed = (*view.templates(), *view.own_objects())
    return [*with_pods(view), *(resource for resource in listed if resource.kind == "Secret")]


def _judge(resource: Resource, view: StackView) -> Iterator[str]:
    if resource.kind == "Secret":
        meta = [str(resource.at("metadata", key, default="")) for key in ("namespace", "name")]
        if tuple(meta) not in view.encrypted:
            yield "its values are in a manifest of the repository"
        return
    for container in containers(resource):
        for variable in value_at(container, "env", default=[]):
            name = str(value_at(variable, "name", default=""))
            if _SOUNDS_SECRET.search(name) and value_at(variable, "value"):
                yield f"container {name_of(container)} has {name} in plain text"


NO_PLAINTEXT_SECRETS = Rule(
    "no-plaintext-secrets",
    "Anyone who can read the repository, the plan or a backup would have the secret of every member",
    "let a secret store fill it in each member (External Secrets, CSI), or encrypt its values (`secrets` of the "
    "workload, SOPS), and refer to it with valueFrom",
    _subjects,
    _judge,
    always=True,
)
