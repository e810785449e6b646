"""How the Kubernetes provider handles answers of an API server: owners of fields, refusals, waits with an end."""

from types import SimpleNamespace

import pytest

from flotilla.errors import EngineError
from flotilla.kube.ownership import union
from flotilla.kube.wire import ApiError, KindNotServed, Unreachable
from flotilla.providers import InitializationError, awaits
from flotilla.providers.adoption import AlreadyThere
from flotilla.providers.awaits import NotReady, await_gone, await_ready
from flotilla.providers.judging import dry_run_warning, hint_for
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.providers.ownership import field_conflicts, transferred
from flotilla.state.checkpoint import ResourceState

OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"x": "1"}}
WRONG_TYPE = "failed to create typed patch object (n/a; /v1, Kind=ConfigMap): .data.x: expected string (HTTP 500)"
OWNED = {"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1'}]}


def live(**metadata):
    return {**OBJECT, "metadata": {"name": "a", "namespace": "n", "uid": "1", "resourceVersion": "7", **metadata}}


def entry(manager, operation, fields, **more):
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def refusal(status, message="", details=None, reason="Conflict"):
    return ApiError(message, status=status, reason=reason, details=details)


class Server:
    """An API server with prepared answers; exceptions are raised, and the last answer is repeated."""

    name = "member1"
    kind_has_gone = False

    def __init__(self, *answers, there=None):
        self.answers = list(answers)
        self.there = there
        self.asked = []

    def _answer(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def apply(self, obj, *, field_manager, force=False, dry_run=False):
        return self._answer("apply", obj, force, dry_run)

    def patch(self, ref, body, *, kind):
        return self._answer("patch", body, kind)

    def find(self, _ref):
        if isinstance(self.there, Exception):
            raise self.there
        return self.there() if callable(self.there) else self.there

    def unserved(self, _api_version, _kind):
        return self.kind_has_gone

    def request(self, *_args, **_more):
        return {}

    @property
    def provider(self):
        return KubernetesProvider(lambda: self)


def old(**outputs):
    return ResourceState(
        urn="urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::a",
        custom=True,
        type="kubernetes:core/v1:ConfigMap",
        id="n/a",
        inputs=OBJECT,
        outputs={**OBJECT, "__fieldManager": "pulumi-kubernetes-1", **outputs},
        parent="",
        provider="",
    )


@pytest.fixture
def clock(monkeypatch):
    """A fake clock on which only sleeping takes time."""
    now = [0.0]

    def pause(seconds):
        now[0] += seconds
        return False

    monkeypatch.setattr(awaits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(awaits, "pause", pause)
    return now


# -- kinds that are removed ----


def test_object_whose_definition_was_deleted_is_deleted():
    server = Server(there=KindNotServed("member1 serves no Thing in x/v1", status=404))
    server.kind_has_gone = True
    server.provider.delete(old(), timeout=None)
    assert server.provider.read("urn", "n/a", old()).id == ""
    assert server.asked == []


def test_kind_whose_api_does_not_answer_says_nothing_about_its_objects():
    server = Server(there=KindNotServed("member1 serves no Thing in x/v1", status=404))
    for look in (lambda: server.provider.delete(old(), timeout=None), lambda: server.provider.read("u", "n/a", old())):
        with pytest.raises(KindNotServed):
            look()


def test_deletion_that_also_deletes_the_definition_is_done(clock):
    """With foreground deletion the object first still exists; then its kind is no longer served."""
    answers = [live(), KindNotServed("member1 serves no Thing in x/v1", status=404)]

    def there():
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = Server(True, there=there)
    server.delete = lambda *_, **__: True
    server.kind_has_gone = True
    server.provider.delete(old(), timeout=None)


# -- creations ------------------------------------------------------------------------------------


def test_creation_asks_the_server_to_refuse_an_existing_object():
    server = Server(live())
    server.provider.create("urn", OBJECT, timeout=None, adopt="pulumi-kubernetes-1")
    ((_, sent, _, _),) = server.asked
    assert sent["metadata"]["resourceVersion"] == "1"


@pytest.mark.parametrize("owners", [[], [entry("kubectl-create", "Update", {})]], ids=["no owner at all", "kubectl"])
def test_existing_object_is_refused_whoever_created_it(owners):
    server = Server(refusal(409), there=live(managedFields=owners))
    with pytest.raises(EngineError, match="already exists and does not belong to this stack") as failure:
        server.provider.create("urn", OBJECT, timeout=None, adopt="pulumi-kubernetes-1")
    assert failure.value.nothing_done
    with pytest.raises(AlreadyThere, match="member1: ConfigMap n/a is there already") as there:
        server.provider.dry_run(None, OBJECT)
    assert there.value.managers == tuple(one["manager"] for one in owners)


def test_object_of_this_interrupted_creation_is_taken_over():
    made = live(managedFields=[entry("pulumi-kubernetes-1", "Apply", {})])
    server = Server(refusal(409), made, there=made)
    assert server.provider.create("urn", OBJECT, timeout=None, adopt="pulumi-kubernetes-1").id == "n/a"


def test_created_object_is_kept_whatever_the_next_read_returns():
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "n"}}
    server = Server({**deployment, "metadata": live()["metadata"]}, there=refusal(401, "who are you?"))
    with pytest.raises(InitializationError, match="who are you") as failure:
        server.provider.create("urn", deployment, timeout=None, adopt="t")
    assert failure.value.live.id == "n/a"


# -- refusals in a preview ------------------------------------------------------------------------


def test_wrong_type_fails_the_preview_like_up():
    server = Server(refusal(500, WRONG_TYPE, reason=""))
    with pytest.raises(ApiError, match="expected string") as failure:
        server.provider.dry_run(None, OBJECT)
    assert "type" in failure.value.hint


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (500, 'failed calling webhook "x": connection refused', "failed calling webhook"),
        (403, "no right", ""),
        (404, 'namespaces "n" not found', ""),
        (503, "later", ""),
        (400, "admission webhook does not support dry run", ""),
    ],
)
def test_error_that_is_not_about_the_object_does_not_stop_a_preview(status, message, said):
    assert said in dry_run_warning(refusal(status, message))
    assert bool(dry_run_warning(refusal(status, message))) == bool(said)


@pytest.mark.parametrize("status", [400, 405, 409, 413, 415, 422])
def test_refusal_of_the_object_stops_the_preview(status):
    with pytest.raises(ApiError):
        dry_run_warning(refusal(status))


@pytest.mark.parametrize(
    ("error", "inputs", "hint"),
    [
        (refusal(409, details=OWNED), OBJECT, "another manager owns the field"),
        (refusal(409, "uid mismatch"), {**OBJECT, "metadata": {"uid": "7"}}, "metadata.uid"),
        (refusal(409, "modified"), {**OBJECT, "metadata": {"resourceVersion": "7"}}, "metadata.resourceVersion"),
        (refusal(409, "the namespace is being terminated"), OBJECT, ""),
    ],
)
def test_only_a_field_conflict_has_the_hint_about_owners(error, inputs, hint):
    found = hint_for(error, inputs)
    assert hint in found
    assert bool(found) == bool(hint)


# -- owners ---------------------------------------------------------------------------------------


def test_union_of_owned_fields_keeps_fields_that_are_owned_as_a_whole():
    one = {"f:data": {".": {}, "f:x": {}}, "f:spec": {}}
    other = {"f:data": {"f:y": {}}, "f:spec": {"f:replicas": {}}}
    whole = {"f:data": {".": {}, "f:x": {}, "f:y": {}}, "f:spec": {".": {}, "f:replicas": {}}}
    assert union(one, other) == whole
    assert union(other, one) == whole


def test_fields_created_by_pulumis_provider_become_the_stacks():
    created = entry("pulumi-kubernetes", "Update", {"f:data": {"f:x": {}}})
    status = entry("pulumi-kubernetes", "Update", {"f:status": {}}, subresource="status")
    edited = entry("kubectl-edit", "Update", {"f:data": {"f:y": {}}})
    obj = live(managedFields=[created, status, edited])
    assert transferred(obj, "pulumi-kubernetes-1") == [
        entry("pulumi-kubernetes-1", "Apply", {"f:data": {"f:x": {}}}),
        status,
        edited,
    ]
    assert transferred(live(managedFields=[edited]), "pulumi-kubernetes-1") is None


def test_update_after_a_creation_by_the_cli_removes_fields_that_are_no_longer_declared():
    created = live(managedFields=[entry("pulumi-kubernetes", "Update", {"f:data": {"f:x": {}}})])
    own = live(managedFields=[entry("pulumi-kubernetes-1", "Apply", {"f:data": {"f:x": {}}})])
    server = Server(created, own, own)
    server.provider.update(old(), OBJECT, timeout=None)
    assert [asked[0] for asked in server.asked] == ["apply", "patch", "apply"]
    (written, version) = server.asked[1][1]
    assert written["value"][0]["operation"] == "Apply"
    assert version["value"] == "7", "an object that has changed meanwhile is not written over"


@pytest.mark.parametrize("dry_run", [True, False])
def test_fields_changed_with_kubectl_are_taken_over(dry_run):
    server = Server(refusal(409, details=OWNED), live())
    if dry_run:
        assert server.provider.dry_run(old(), OBJECT) == ""
    else:
        server.provider.update(old(), OBJECT, timeout=None)
    assert [(force, dry) for _, _, force, dry in server.asked] == [(False, dry_run), (True, dry_run)]


@pytest.mark.parametrize("owner", ['"hpa"', '"kubectl" with subresource "scale"'])
@pytest.mark.parametrize("dry_run", [True, False])
def test_fields_of_a_controller_or_of_scaling_are_not_taken_over(dry_run, owner):
    owned = {"causes": [{"reason": "FieldManagerConflict", "message": f"conflict with {owner} using apps/v1"}]}
    server = Server(refusal(409, details=owned), there=live(managedFields=[entry("hpa", "Apply", {})]))
    with pytest.raises(ApiError):
        server.provider.dry_run(old(), OBJECT) if dry_run else server.provider.update(old(), OBJECT, timeout=None)
    assert field_conflicts(refusal(409, details=owned)) in ({"hpa"}, {"kubectl/scale"})


# -- waits ----------------------------------------------------------------------------------------


def test_deletion_blocked_by_an_unknown_finalizer_ends_after_a_minute_with_its_name(clock):
    leaving = live(finalizers=["example.org/hold"], deletionTimestamp="now")
    with pytest.raises(NotReady, match=r"finalizers left: example\.org/hold"):
        await_gone(Server(None, there=leaving), leaving, None)
    assert 60 <= clock[0] < 90


def test_deletion_is_waited_for_until_the_timeout(clock):
    leaving = live(finalizers=["example.org/hold"], deletionTimestamp="now")
    with pytest.raises(NotReady):
        await_gone(Server(None, there=leaving), leaving, 200)
    assert 200 <= clock[0] < 230


def test_deletion_whose_finalizers_are_removed_one_by_one_is_waited_for(clock):
    def there():
        left = [f"example.org/{n}" for n in range(4) if clock[0] < 50 * (n + 1)]
        return live(finalizers=left, deletionTimestamp="now") if left else None

    await_gone(Server(None, there=there), live(finalizers=["example.org/0"]), None)
    assert clock[0] >= 200


def test_deletion_with_a_finalizer_of_karmada_has_the_whole_timeout(clock):
    leaving = live(finalizers=["karmada.io/execution-controller"], deletionTimestamp="now")
    with pytest.raises(NotReady):
        await_gone(Server(None, there=leaving), leaving, None)
    assert clock[0] >= awaits.DEFAULT_SECONDS


@pytest.mark.parametrize("waiting", ["to be ready", "to be gone"])
def test_server_that_stops_answering_is_waited_for_a_minute(clock, waiting):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "uid": "1"}}
    server = Server(None, there=Unreachable("no answer", status=0))
    with pytest.raises(Unreachable):
        (await_ready if waiting == "to be ready" else await_gone)(server, namespace, None)
    assert 60 <= clock[0] < 90


def test_server_error_does_not_end_a_wait(clock):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "uid": "1"}}
    answers = [refusal(500, "etcd: leader changed"), refusal(502, "bad gateway")]

    def there():
        if answers:
            raise answers.pop()
        return {**namespace, "status": {"phase": "Active"}}

    assert await_ready(Server(None, there=there), namespace, None)["status"]["phase"] == "Active"
