"""URNs: how a resource is called in a state, by stack, project, parents' types, type and name."""

from __future__ import annotations

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
DYNAMIC_PREFIX = "pulumi-python:"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Return a resource's URN; the parent's types stand before its own, the stack's excepted."""
    qualified = qualified_type(parent) if parent else ""
    types = f"{qualified}${type_}" if qualified and qualified != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{types}::{name}"


def qualified_type(urn: str) -> str:
    """Return a URN's types, its parents' included."""
    return urn.split("::", 3)[2]


def own_type(urn: str) -> str:
    """Return a URN's own type, without its parents'."""
    return qualified_type(urn).rpartition("$")[2]


def name_of(urn: str) -> str:
    """Return a URN's name."""
    return urn.split("::", 3)[3]


def provider_of(reference: str) -> str:
    """Return the name of the provider that a resource refers to by `urn::id`; empty where it refers to none."""
    return reference.rpartition("::")[0].rpartition("::")[2]


def package_of(type_: str) -> str:
    """Return the package whose provider manages a type."""
    return type_.split(":", 1)[0]


def is_default_provider(urn: str, type_: str) -> bool:
    """Tell a package's default provider, the engine's own affair: Pulumi's display hides it, too."""
    name = name_of(urn)  # of one version: default_4_32_0; a member may be called default-east
    return type_.startswith(PROVIDER_PREFIX) and (name == "default" or name.startswith("default_"))
