"""Programs whose objects have other field managers, too: fields are taken over, refused or removed."""

from collections.abc import Callable

from tests.conformance.cases import DESTROY, Act, Case
from tests.conformance.kubernetes_cases import MUTABLE, applied_by, config_map, deployment, objects
from tests.conformance.places import Namespace

FORCED = {"enable_patch_force": True}
UPSERT = {"upsert_existing_objects": True}


def _patched_by(manager: str, replicas: int, *, scale: bool = False) -> Callable[[Namespace], None]:
    """Return a function that patches the Deployment's replicas, as `kubectl edit` and `kubectl scale` do."""

    def act(place: Namespace) -> None:
        path = f"/apis/apps/v1/namespaces/{place.name}/deployments/web{'/scale' if scale else ''}"
        place.connection.request(
            "PATCH",
            path,
            doing="changing replicas",
            query={"fieldManager": manager},
            body={"spec": {"replicas": replicas}},
            media="application/merge-patch+json",
        )

    return act


def _without_other() -> dict:
    return {**config_map(), "data": {"key": "1"}}


def _act(verb, *manifests, before=lambda _: None, embedded_fails=None, **options) -> Act:
    return Act(verb, objects(*manifests, **options), before, embedded_fails=embedded_fails)


def _preview_and_up(*manifests, before=lambda _: None, embedded_fails=None, **options) -> tuple[Act, ...]:
    preview = _act("preview", *manifests, before=before, embedded_fails=embedded_fails, **options)
    return (preview, _act("up", *manifests, **options))


CASES = (
    Case("ownership-applied-by-another-later", (
        # Only from the second update on, no field belongs to the manager of the creation.
        _act("up", deployment()), _act("up", deployment(3)),
        *_preview_and_up(deployment(4), before=applied_by("somebody", deployment(7))), DESTROY,
    )),
    Case("ownership-edited", (
        _act("up", deployment()), *_preview_and_up(deployment(3), before=_patched_by("kubectl-edit", 7)),
        *_preview_and_up(deployment(4), before=_patched_by("kubectl-edit", 8), embedded_fails=False), DESTROY,
    )),
    Case("ownership-patched-by-another", (
        _act("up", deployment()),
        *_preview_and_up(deployment(3), before=_patched_by("controller", 7), embedded_fails=True),
        *_preview_and_up(deployment(4), before=_patched_by("controller", 8)), DESTROY,
    )),
    Case("ownership-scaled", (
        _act("up", deployment()),
        *_preview_and_up(deployment(3), before=_patched_by("kubectl", 7, scale=True), embedded_fails=True),
        *_preview_and_up(deployment(4), before=_patched_by("kubectl", 8, scale=True)), DESTROY,
    )),
    Case("ownership-forced", (
        _act("up", deployment(), provider=FORCED),
        *_preview_and_up(deployment(3), provider=FORCED, before=applied_by("somebody", deployment(7))),
        *_preview_and_up(deployment(4), provider=FORCED, before=_patched_by("controller", 8)), DESTROY,
    )),
    Case("ownership-field-removed", (
        _act("up", config_map(), provider=MUTABLE), *_preview_and_up(_without_other(), provider=MUTABLE), DESTROY,
    )),
    Case("ownership-field-removed-that-another-applies", (
        _act("up", config_map(), provider=MUTABLE),
        *_preview_and_up(_without_other(), provider=MUTABLE, before=applied_by("somebody", config_map())), DESTROY,
    )),
    Case("ownership-there-already", (
        *_preview_and_up(config_map(), before=applied_by("somebody", config_map("theirs"))), DESTROY,
    )),
    Case("ownership-upsert", (
        *_preview_and_up(config_map(), provider=UPSERT, before=applied_by("somebody", config_map("theirs"))),
        *_preview_and_up(config_map(), provider=UPSERT | FORCED), DESTROY,
    )),
    Case("ownership-wrong-type", (
        *_preview_and_up({**config_map(), "data": {"key": 1350}}), _act("up", config_map(), provider=MUTABLE),
        *_preview_and_up({**config_map(), "data": {"key": 1350}}, provider=MUTABLE), DESTROY,
    )),
)  # fmt: skip
