"""The connection pool: the same as that of the `kubernetes` package, whether or not the package is imported."""

import ssl

import pytest

from flotilla.kube import keys, transport
from flotilla.kube.transport import Transport

CLUSTER = {"server": "https://karmada.example:5443/"}
CASES = {
    "plain": {},
    "not verified": {"insecure-skip-tls-verify": True},
    "verified after all": {"insecure-skip-tls-verify": False},
    "by another name": {"tls-server-name": "karmada.internal"},
    "without TLS": {"server": "http://127.0.0.1:8080"},
}


def kubeconfig(cluster=None, user=None):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {**CLUSTER, **(cluster or {})}}],
        "users": [{"name": "one", "user": user or {}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }


def settings(pool):
    """Return the settings of a pool's sockets; a Retry is equal only to itself."""
    return {key: repr(value) for key, value in pool.connection_pool_kw.items() if value is not None}


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("case", CASES)
def test_pool_has_the_same_settings_as_that_of_the_package(case):
    document = kubeconfig(CASES[case])
    ours, theirs = transport._open_directly(document, 7), transport._open_with_package(document, 7)
    assert settings(ours.pool) == settings(theirs.pool)
    assert ours.host == theirs.host
    assert type(ours.pool) is type(theirs.pool)
    assert keys.load(ours.pool, document) == keys.load(theirs.pool, document) == ""
    contexts = [pool.connection_pool_kw["ssl_context"] for pool in (ours.pool, theirs.pool)]
    assert len({(one.verify_mode, one.check_hostname, one.minimum_version) for one in contexts}) == 1


@pytest.mark.parametrize(
    ("cluster", "reads"),
    [
        ({}, True),
        ({"insecure-skip-tls-verify": True}, False),
        ({"server": "http://karmada.example"}, False),
    ],
)
def test_system_cas_are_read_only_if_they_are_needed(cluster, reads, monkeypatch):
    """Reading them takes as long as ten requests, for each member."""
    read = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: read.append(True))
    document = kubeconfig(cluster)
    assert keys.load(transport._open_directly(document, 7).pool, document) == ""
    assert bool(read) is reads


@pytest.mark.parametrize(
    ("cluster", "user", "environment"),
    [
        ({"proxy-url": "http://proxy.example:3128"}, {}, {}),
        ({}, {"auth-provider": {"name": "oidc", "config": {}}}, {}),
        ({}, {}, {"HTTPS_PROXY": "http://proxy.example:3128"}),
    ],
)
def test_proxies_and_auth_providers_are_left_to_the_package(cluster, user, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asked = []
    monkeypatch.setattr(
        transport, "_open_with_package", lambda *given: asked.append(given) or transport._open_directly(*given)
    )
    Transport(kubeconfig(cluster, user), "one", 3).opened("one")
    assert len(asked) == 1


def test_proxy_of_the_environment_is_used(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert type(Transport(kubeconfig(), "one", 3).opened("one").pool).__name__ == "ProxyManager"
    monkeypatch.setenv("NO_PROXY", "karmada.example")
    assert type(Transport(kubeconfig(), "one", 3).opened("one").pool).__name__ == "PoolManager"
