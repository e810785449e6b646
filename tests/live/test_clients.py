"""The client library on real Karmada, which alone has the cluster proxy."""

import pytest

from flotilla.karmada.client import Karmada
from flotilla.kube.objects import ObjectRef
from flotilla.kube.wire import ApiError
from tests.contract.clients import *  # noqa: F403 - the cases are the contract's
from tests.contract.clients import BlockingCalls, run_example

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_a_member_is_reached_through_the_proxy_of_karmada(file, fleet):
    member = Karmada.from_kubeconfig(file).member("member1")
    direct = fleet.connection("member1")
    ref = ObjectRef("v1", "Namespace", "kube-system")
    assert member.get(ref)["metadata"]["uid"] == direct.get(ref)["metadata"]["uid"]
    waited = BlockingCalls(file).call(lambda client: client.member("member1").get(ref))
    assert waited["metadata"]["uid"] == direct.get(ref)["metadata"]["uid"]
    assert "member1: https://" in refusal(lambda: member.get(ObjectRef("v1", "Namespace", "nobody")))
    assert "clusters/nobody/proxy" in refusal(lambda: Karmada.from_kubeconfig(file).member("nobody").get(ref))


def refusal(action):
    with pytest.raises(ApiError) as caught:
        action()
    return caught.value.message


def test_the_typed_example_runs(file, tmp_path, monkeypatch, capsys):
    run_example(file, tmp_path, monkeypatch, "typed")
    printed = capsys.readouterr().out
    assert "member1 Push True" in printed
    assert "nodes" in printed
