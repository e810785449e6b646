"""Which kinds a cluster serves, in all versions."""

from flotilla.adopt.served import served
from flotilla.errors import ClusterError


class Groups:
    """An API server with one group in two versions, and with a group that does not answer."""

    name = "member1"

    def request(self, _method, path, *, doing):
        if path == "/apis":
            versions = [{"groupVersion": "example.com/v1"}, {"groupVersion": "example.com/v1alpha1"}]
            down = {"groupVersion": "down.example.com/v1"}
            return {
                "groups": [
                    {"name": "example.com", "versions": versions[::-1], "preferredVersion": versions[0]},
                    {"name": "down.example.com", "versions": [down], "preferredVersion": down},
                ]
            }
        if "down" in path:
            raise ClusterError(f"unavailable while {doing}")
        entries = {
            "/api/v1": [("Binding", "bindings", ["create"]), ("Pod", "pods", ["list"]), ("Pod", "pods/log", ["get"])],
            "/apis/example.com/v1": [("Widget", "widgets", ["list"])],
            "/apis/example.com/v1alpha1": [("Widget", "widgets", ["list"]), ("Gadget", "gadgets", ["list"])],
        }
        listed = [
            {"kind": kind, "name": name, "namespaced": True, "verbs": verbs} for kind, name, verbs in entries[path]
        ]
        return {"resources": listed}


def test_kinds_of_every_version_are_found_and_an_unavailable_group_is_one_line():
    found = served(Groups())
    assert {key: kind.versions for key, kind in found.kinds.items()} == {
        ("", "Pod"): ("v1",),
        ("example.com", "Widget"): ("example.com/v1", "example.com/v1alpha1"),
        ("example.com", "Gadget"): ("example.com/v1alpha1",),
    }
    assert [one.what for one in found.unread] == ["every kind of down.example.com/v1"]
