"""When an agent's certificate is renewed, for any lifetime that the signer chooses."""

import datetime as dt

import pytest

from components.agent_identity import AgentIdentityProvider
from flotilla.karmada.installing import pki

PLANE = pki.kubeconfig("https://192.0.2.1:5443", ca_cert="CA", cert="C", key="K")
PROPS = {"controlPlane": PLANE, "member": "m", "server": "", "lifetimeDays": 365, "renewBeforeDays": 60}


def stored(age, lifetime):
    now = dt.datetime.now(dt.UTC)
    issued = now - dt.timedelta(days=age)
    return {
        **PROPS,
        "issued": issued.isoformat(),
        "expires": (issued + dt.timedelta(days=lifetime)).isoformat(),
    }


@pytest.mark.parametrize(
    ("age", "lifetime", "due"),
    [(300, 365, False), (310, 365, True), (5, 30, False), (21, 30, True), (0, 1, False)],
)
def test_certificate_with_a_short_lifetime_is_not_renewed_in_every_plan(age, lifetime, due):
    assert AgentIdentityProvider().diff("", stored(age, lifetime), PROPS).changes is due


def test_certificate_of_another_ca_is_replaced():
    other = {**PROPS, "controlPlane": pki.kubeconfig("https://192.0.2.1:5443", ca_cert="CB", cert="C", key="K")}
    assert AgentIdentityProvider().diff("", stored(1, 365), other).changes is True
    renewed = {**PROPS, "controlPlane": pki.kubeconfig("https://192.0.2.1:5443", ca_cert="CA", cert="D", key="L")}
    assert AgentIdentityProvider().diff("", stored(1, 365), renewed).changes is False
