"""Copies in members, and a fake member that serves them."""

from types import SimpleNamespace

from flotilla.kube.connection import KindNotServed

MESH = {"name": "mesh", "image": "mesh:1"}
SET = {"type": "array", "x-kubernetes-list-type": "set", "items": {}}
WIDGET = {
    "metadata": {"name": "widgets.example.org"},
    "spec": {
        "versions": [
            {
                "name": "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "properties": {
                            "spec": {
                                "properties": {
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["id", "side"],
                                        "items": {"properties": {"id": {}, "side": {"default": "left"}}},
                                    },
                                    "tags": SET,
                                    "by": {"additionalProperties": {"properties": {"s": SET}}},
                                }
                            }
                        }
                    }
                },
            }
        ]
    },
}  # fmt: skip


def deployment(spec, finalizers=()):
    meta = {"name": "web", "namespace": "default", "finalizers": list(finalizers)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": spec}}}


def pod(*containers, **more):
    return {"containers": list(containers), **more}


def web(**more):
    return {"name": "web", "image": "web:1", **more}


def nested(*keys):
    value = {}
    for key in reversed(keys):
        value = {key: value}
    return value


def widget(**spec):
    return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


class Serving:
    """A member that has an object and the definition of a custom kind; it counts the requests."""

    name = "member1"

    def __init__(self, live, definition=WIDGET, scalers=()):
        self.live, self.definition, self.scalers, self.asked = live, definition, scalers, []

    def resource(self, _api_version, _kind):
        return SimpleNamespace(plural="widgets")

    def find(self, ref):
        self.asked.append(str(ref))
        return self.definition if ref.kind == "CustomResourceDefinition" else self.live

    def list(self, api_version, kind):
        if self.scalers is None:
            raise KindNotServed("no such kind", status=404)
        assert (api_version, kind) == ("autoscaling/v2", "HorizontalPodAutoscaler")
        return list(self.scalers)
