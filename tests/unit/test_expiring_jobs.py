"""Jobs with `ttlSecondsAfterFinished`: the control plane deletes them when they have finished, which is no error."""

import pytest

from flotilla.drift.plan import compare_object
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.state.checkpoint import ResourceState

POD = {"spec": {"restartPolicy": "Never", "containers": [{"name": "patch", "image": "patch:1"}]}}


def job(**spec):
    meta = {"name": "patch", "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": POD, **spec}}


EXPIRING, LASTING = job(ttlSecondsAfterFinished=60), job()


class Gone:
    """A control plane without any object."""

    name = "karmada"

    def find(self, _ref, **_more):
        return None


def waits_for(template, **ready):
    (progress,) = RolloutCheck([template], {}, [], ready=ready).progress(Snapshot())
    return progress.waiting_for if not progress.done else ""


def test_rollout_that_takes_longer_than_a_jobs_ttl_is_done():
    """Regression: `up` waited until its timeout for a Job that was deleted 60 s after its end."""
    assert waits_for(EXPIRING) == ""
    assert waits_for(EXPIRING, Job="applied") == ""
    assert waits_for(LASTING) == "is not in the control plane"


def test_deleted_job_has_not_reached_its_awaited_condition():
    assert "nobody knows how it ended" in waits_for(EXPIRING, **{"Job/patch": {"condition": "Complete"}})


@pytest.mark.parametrize(("declared", "rules"), [(EXPIRING, []), (LASTING, ["object-missing"])])
def test_finished_and_deleted_job_is_no_drift(declared, rules):
    assert [one.rule for one in compare_object(Gone(), "karmada", declared)] == rules


@pytest.mark.parametrize(("declared", "there"), [(EXPIRING, True), (LASTING, False)])
def test_refresh_keeps_a_finished_and_deleted_job_so_that_it_runs_once(declared, there):
    """Regression: each run created the Job again, so no preview after a refresh was ever empty."""
    state = ResourceState(
        urn="urn:pulumi:s::p::kubernetes:batch/v1:Job::patch",
        custom=True,
        type="kubernetes:batch/v1:Job",
        id="default/patch",
        inputs=declared,
        outputs={**declared, "__fieldManager": "pulumi-kubernetes-1"},
        parent="",
        provider="",
    )
    live = KubernetesProvider(Gone).read(state.urn, state.id, state)
    assert bool(live.id) == there
    if there:
        assert (live.id, live.inputs, live.outputs) == (state.id, state.inputs, state.outputs)
