"""A proxy before an API server that makes chosen requests fail, for tests, and a small fake API server.

    with FaultProxy(kubeconfig, folder, seed=7) as proxy:
        connection = connect(proxy.kubeconfig, name="member1")
        proxy.fail(drop(after=True, method="PATCH", path="/deployments/", nth=1))
        ...
        proxy.clear()

`proxy.log` has the requests and what the proxy did; `proxy.report()` is its text for a failure message.
"""

from tests.faults.fake import FakeApi
from tests.faults.model import Action, Entry, Fault, answer, cut, delay, drop, garble, half, hang, login_page
from tests.faults.proxy import FaultProxy

__all__ = [
    "Action",
    "Entry",
    "FakeApi",
    "Fault",
    "FaultProxy",
    "answer",
    "cut",
    "delay",
    "drop",
    "garble",
    "half",
    "hang",
    "login_page",
]
