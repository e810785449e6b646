"""Signing of a certificate request while others write to the same request."""

import base64

import pytest

from flotilla.karmada.joining.identity import request_identity
from flotilla.kube.connection import ApiError


class Plane:
    """A control plane whose controllers interfere: the first writes conflict, then approved requests are signed."""

    name = "Karmada"

    def __init__(self, conflicts, *, approves=False):
        self.conflicts = conflicts
        self.approves = approves
        self.stored = {}
        self.deleted = 0

    def resource(self, _api, _kind):
        return self

    def path(self, name):
        return f"/csr/{name}"

    def create(self, obj, *, field_manager):
        self.stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}
        return self.stored

    def delete(self, _ref, *, propagation):
        self.deleted += 1

    def get(self, _ref):
        conditions = (self.stored.get("status") or {}).get("conditions")
        if conditions:
            self.stored["status"]["certificate"] = base64.b64encode(b"PEM").decode()
        return self.stored

    def request(self, _method, _path, *, body, doing):
        if self.conflicts:
            self.conflicts -= 1
            if self.approves:
                self.stored = {**self.stored, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
            raise ApiError("modified", status=409)
        self.stored = body


@pytest.mark.parametrize(("conflicts", "approves"), [(0, False), (3, False), (1, True)])
def test_request_with_concurrent_writes_is_approved(conflicts, approves):
    plane = Plane(conflicts, approves=approves)
    made = request_identity(plane, name="n", user="u", group="g", lifetime_days=1)
    assert made.certificate == "PEM"
    assert plane.deleted == 2, "nothing is left of it"


def test_request_that_always_conflicts_fails_and_is_deleted():
    plane = Plane(99)
    with pytest.raises(ApiError):
        request_identity(plane, name="n", user="u", group="g", lifetime_days=1)
    assert plane.deleted == 2
