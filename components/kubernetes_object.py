"""Any Kubernetes object as a Pulumi resource, from a plain dict of a builder."""

from __future__ import annotations

from typing import Any

import pulumi

# Fields that the server fills and that programs read. A property that isn't an input has to be announced to the SDK.
_OUTPUT_ONLY = ("status",)
_SECRET_PARTS = ("data", "stringData")


class KubernetesObject(pulumi.CustomResource):
    """A resource with the same type token as the Kubernetes SDK's own class of the kind.

    The SDK has a class per built-in kind and one for custom kinds; all of them register exactly this. With a single
    class, manifests of any kind can be declared, and builders stay free of Pulumi.
    """

    metadata: pulumi.Output[dict[str, Any]]
    """The object's metadata as returned by the server."""

    data: pulumi.Output[dict[str, str]]
    """The data of a Secret, base64; other kinds have none."""

    def __init__(self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the object. Values in `manifest` may be outputs, at any depth."""
        props: dict[str, Any] = {**dict.fromkeys(_OUTPUT_ONLY), **manifest}
        secret_opts = None
        if manifest["kind"] == "Secret":
            props.setdefault("data", None)
            # Inputs are as secret as outputs: plans and states show inputs, too.
            props |= {part: pulumi.Output.secret(props[part]) for part in _SECRET_PARTS if props.get(part) is not None}
            secret_opts = pulumi.ResourceOptions(additional_secret_outputs=list(_SECRET_PARTS))
        super().__init__(type_token(manifest), name, props, pulumi.ResourceOptions.merge(opts, secret_opts))


def type_token(manifest: dict[str, Any]) -> str:
    """Return the Kubernetes provider's type token for a manifest: `kubernetes:apps/v1:Deployment`."""
    api_version = manifest["apiVersion"]
    group_version = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{group_version}:{manifest['kind']}"
