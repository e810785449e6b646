"""Dependencies that order two resources, but don't make one fail when the other fails."""

from __future__ import annotations

import pulumi


def if_made(resource: pulumi.Resource) -> pulumi.Output[pulumi.Resource | None]:
    """Return a resource for `depends_on`, which waits for it, but ignores it if its registration failed."""
    made: pulumi.Output[pulumi.Resource | None] = resource.urn.apply(lambda _: resource)
    return made.recover(lambda _: None)
