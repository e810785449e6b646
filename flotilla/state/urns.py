"""URNs: the names of resources in a state, made of stack, project, the types of the parents, type and name."""

from __future__ import annotations

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
DYNAMIC_PREFIX = "pulumi-python:"


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """Return a resource's URN; the types of its parents, except the stack's, come before its own."""
    qualified = qualified_type(parent) if parent else ""
    types = f"{qualified}${type_}" if qualified and qualified != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{types}::{name}"


def qualified_type(urn: str) -> str:
    """Return the types in a URN, including those of the parents."""
    return urn.split("::", 3)[2]


def own_type(urn: str) -> str:
    """Return the type in a URN, without those of the parents."""
    return qualified_type(urn).rpartition("$")[2]


def name_of(urn: str) -> str:
    """Return the name in a URN."""
    return urn.split("::", 3)[3]


def provider_of(reference: str) -> str:
    """Return the name of the provider that a resource refers to by `urn::id`; empty if it refers to none."""
    return reference.rpartition("::")[0].rpartition("::")[2]


def package_of(type_: str) -> str:
    """Return the package whose provider manages a type."""
    return type_.split(":", 1)[0]


def is_default_provider(urn: str, type_: str) -> bool:
    """Return whether a resource is a package's default provider. The engine adds it, and Pulumi's display hides it."""
    name = name_of(urn)  # for a certain version default_4_32_0; a member's provider may be called default-east
    return type_.startswith(PROVIDER_PREFIX) and (name == "default" or name.startswith("default_"))
