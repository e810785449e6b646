"""Members that don't answer: the run updates the other members, and the next run completes.

The stack's requests to member2 go through a proxy that makes them fail in the way that a test chooses.
"""

import base64
import time

import pytest
import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import NGINX, leave, verbs  # noqa: F401 - a fixture
from tests.faults import FaultProxy, answer, drop, half, hang, login_page

EVERYWHERE = {**NGINX, "replicas": 1, "timeout": 60, "placement": {}}
OURS = "^flotilla"


def behind(fleet, proxy):
    """Return an entry of member2 by which the stack and Karmada connect through a proxy."""
    file = fleet.add_kubeconfig("proxied", proxy.kubeconfig)
    authority = yaml.safe_load(proxy.kubeconfig)["clusters"][0]["cluster"]["certificate-authority-data"]
    return {"name": "member2", "kubeconfig": file, "caBundle": base64.b64decode(authority).decode()}


def direct(fleet, proxy):
    """Return an entry of member2 by which the stack connects through a proxy, and Karmada directly."""
    entry = {key: value for key, value in behind(fleet, proxy).items() if key != "caBundle"}
    document = yaml.safe_load((fleet.kubeconfigs / "member2.yaml").read_text())
    return {**entry, "apiEndpoint": document["clusters"][0]["cluster"]["server"]}


@pytest.fixture(scope="module")
def proxied(fleet, tmp_path_factory):
    """A proxy between the stack and member2, which stays joined from case to case."""
    text = (fleet.kubeconfigs / "member2.yaml").read_text()
    with FaultProxy(text, tmp_path_factory.mktemp("proxy"), name="member2") as proxy:
        proxy.entry = direct(fleet, proxy)
        yield proxy
        leave(fleet)


def image_in(fleet, cluster):
    found = fleet.connection(cluster).find(ObjectRef("apps/v1", "Deployment", "nginx", "default"))
    return found and found["spec"]["template"]["spec"]["containers"][0]["image"]


FAULTS = {
    "hangs": [hang(agent=OURS)],
    "drops": [drop(agent=OURS)],
    "401": [answer(401, b"no", agent=OURS)],
    "403": [answer(403, b'{"kind": "Status", "reason": "Forbidden", "message": "no"}', agent=OURS)],
    "503": [answer(503, agent=OURS)],
    "login": [login_page(agent=OURS)],
    "half": [half(agent=OURS)],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_other_members_are_updated_while_one_does_not_answer_and_the_next_run_completes(fleet, proxied, verbs, fault):  # noqa: F811
    run, entries = verbs, [{"name": "member1"}, proxied.entry]
    run.write(entries, [EVERYWHERE])
    run("up", "--yes")
    run.write(entries, [{**EVERYWHERE, "image": "nginx:1.28"}, {**EVERYWHERE, "name": "second"}])
    proxied.fail(*FAULTS[fault])
    try:
        began = time.monotonic()
        plan = run("preview")
        assert [one["cluster"] for one in plan["unknown"]] == ["member2"]
        assert {w["name"]: w["verb"] for w in plan["workloads"]} == {"nginx": "changes", "second": "new"}
        done = run("up", "--yes", expect=1)
        assert time.monotonic() - began < 60
        assert any(failure.startswith("member2: ") for failure in done["failures"]), done["failures"]
        assert image_in(fleet, "member1") == "nginx:1.28"
    finally:
        proxied.clear()
    run("up", "--yes")
    assert image_in(fleet, "member2") == "nginx:1.28"
    assert run("preview", "--expect-no-changes")["unknown"] == []
