"""Dependencies that order two resources without making one fail with the other."""

from __future__ import annotations

import pulumi


def if_made(resource: pulumi.Resource) -> pulumi.Output[pulumi.Resource | None]:
    """Return a resource for `depends_on`: it is waited for, and left out where its registration failed."""
    made: pulumi.Output[pulumi.Resource | None] = resource.urn.apply(lambda _: resource)
    return made.recover(lambda _: None)
