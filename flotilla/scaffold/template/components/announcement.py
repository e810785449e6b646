"""An example of your own component: it creates a ConfigMap in the control plane for the workload that uses it.

In the stack file:

    components:
      - {use: announcement, args: {text: "nginx, by the web team"}}
"""

import pulumi

from flotilla_project.components.kubernetes_object import KubernetesObject
from flotilla_project.components.own import OwnComponentArgs


class Announcement(pulumi.ComponentResource):
    """A ConfigMap that says who owns a workload."""

    def __init__(self, name: str, args: OwnComponentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("${PROJECT}:index:Announcement", name, None, opts)
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": args["workload"].namespace},
            "data": {"text": str(args["args"].get("text", ""))},
        }
        provider = args["control_plane"].provider
        KubernetesObject(name, manifest, pulumi.ResourceOptions(parent=self, provider=provider))
        self.register_outputs({})
