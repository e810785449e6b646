"""Works whose deletion Karmada never completes, on real Karmada: kept copies that were never sent."""

import time

import pytest

from flotilla.karmada.names import WORK_FINALIZER, execution_namespace
from flotilla.karmada.objects import WORK_API
from flotilla.karmada.status.kept import why_unfinished
from flotilla.karmada.versions import Version
from flotilla.kube.objects import ObjectRef, ref_of
from tests.contract.karmada import MEMBERS, eventually, karmada, namespace, selector, web  # noqa: F401 - fixtures

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
EVERYWHERE = {"clusterAffinity": {"clusterNames": list(MEMBERS)}}
_QUIET_SECONDS = 20
"""Karmada retries first after milliseconds, later after seconds."""


def works_of(karmada, template):  # noqa: F811 - the fixture's value
    """Return the Works of a template by member."""
    return {
        member: found[0]
        for member in MEMBERS
        if (
            found := [
                work
                for work in karmada.api.list(WORK_API, "Work", namespace=execution_namespace(member))
                if any(ref_of(one) == ref_of(template) for one in work["spec"]["workload"]["manifests"])
            ]
        )
    }


def test_the_work_of_a_kept_copy_that_was_never_sent_stays(fleet, karmada, namespace):  # noqa: F811
    """docs: guides/when-something-breaks; member1 has its copy; member2 was suspended from the beginning"""
    if Version.parse(fleet.version) < Version(1, 12):
        pytest.skip("Karmada keeps copies from 1.12 on")
    template = web(namespace)
    suspension = {"dispatchingOnClusters": {"clusterNames": ["member2"]}}
    karmada.policy(
        "p", namespace, [selector(template)], EVERYWHERE, suspension=suspension, preserveResourcesOnDeletion=True
    )
    karmada.make(template)
    eventually(lambda: karmada.in_member("member1", ref_of(template)))
    eventually(lambda: works_of(karmada, template).keys() == set(MEMBERS))
    assert karmada.in_member("member2", ref_of(template)) is None
    karmada.api.delete(ref_of(template))
    eventually(lambda: works_of(karmada, template).keys() == {"member2"}, seconds=90)
    time.sleep(_QUIET_SECONDS)
    work = works_of(karmada, template)["member2"]
    assert work["metadata"]["deletionTimestamp"]
    assert work["metadata"]["finalizers"] == [WORK_FINALIZER]
    assert "the copy was never sent" in why_unfinished([work])
    ref = ObjectRef(WORK_API, "Work", work["metadata"]["name"], work["metadata"]["namespace"])
    karmada.api.patch(ref, {"metadata": {"finalizers": None}})
    eventually(lambda: works_of(karmada, template) == {})
    assert karmada.in_member("member1", ref_of(template)) is not None, "what was sent stays"
