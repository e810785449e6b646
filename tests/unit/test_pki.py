"""Certificates: names, usages, lifetimes, and what a renewal keeps."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from components.control_plane_pki import CertificatesProvider
from flotilla.karmada.installing import pki

NAMES = [*pki.service_names(), "203.0.113.7", "karmada.example.org"]


@pytest.fixture(scope="module")
def issued():
    return pki.issue(NAMES, lifetime_days=365, ca_lifetime_days=3650)


def test_tls_client_accepts_every_published_name(issued):
    leaf, ca = load(issued.cert), load(issued.ca_cert)
    for host in ("karmada-apiserver.karmada-system.svc.cluster.local", "karmada.example.org"):
        verifier = PolicyBuilder().store(Store([ca])).build_server_verifier(x509.DNSName(host))
        assert verifier.verify(leaf, []) == [leaf, ca]
    assert pki.covers(issued.cert, "203.0.113.7")
    assert pki.covers(issued.cert, "etcd-0.etcd.karmada-system.svc.cluster.local")
    assert not pki.covers(issued.cert, "203.0.113.8")
    assert not pki.covers(issued.cert, "a.b.karmada.example.org")


def test_usages_and_subjects_are_what_the_chart_needs(issued):
    leaf = load(issued.cert)
    assert leaf.subject.rfc4514_string() == "CN=system:admin,O=system:masters"
    assert usages(leaf) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert usages(load(issued.admin_cert)) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert load(issued.front_proxy_cert).subject.rfc4514_string() == "CN=front-proxy-client"
    assert issued.key.startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_a_renewal_keeps_cas_and_keys(issued):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=300)
    renewed = pki.issue(NAMES, lifetime_days=365, ca_lifetime_days=3650, keep=issued, now=later)
    assert (renewed.ca_cert, renewed.key, renewed.admin_key) == (issued.ca_cert, issued.key, issued.admin_key)
    assert renewed.cert != issued.cert
    assert pki.expires(renewed.cert) > pki.expires(issued.cert)


def test_no_certificate_outlives_its_ca():
    made = pki.issue(["a.example"], lifetime_days=400, ca_lifetime_days=100)
    assert pki.expires(made.cert) <= pki.expires(made.ca_cert)


PROPS = {"names": ["a.example"], "lifetimeDays": 90, "caLifetimeDays": 900, "renewBeforeDays": 30, "generation": 1}


class TestProvider:
    """The renewal as a planned change."""

    @pytest.fixture(scope="class")
    def made(self):
        return CertificatesProvider().create(PROPS).outs

    def changes(self, made, **news):
        return CertificatesProvider().diff("", made, {**PROPS, **news}).changes

    def test_nothing_is_planned_before_the_renewal_window(self, made):
        assert self.changes(made) is False

    def test_renewal_is_planned_in_the_renewal_window(self, made):
        assert self.changes(made, renewBeforeDays=89) is False
        assert self.changes(made, renewBeforeDays=90) is True

    def test_another_name_plans_a_renewal_with_the_same_ca(self, made):
        news = {**PROPS, "names": ["b.example"]}
        assert self.changes(made, names=["b.example"]) is True
        renewed = CertificatesProvider().update("", made, news).outs
        assert renewed["ca_cert"] == made["ca_cert"]
        assert pki.covers(renewed["cert"], "b.example")
        assert renewed["fingerprint"] != made["fingerprint"]

    def test_another_generation_issues_everything_again(self, made):
        renewed = CertificatesProvider().update("", made, {**PROPS, "generation": 2}).outs
        assert renewed["ca_cert"] != made["ca_cert"]
        assert renewed["key"] != made["key"]

    def test_ca_that_expires_too_early_is_issued_again(self, made):
        renewed = CertificatesProvider().update("", made, {**PROPS, "lifetimeDays": 900}).outs
        assert renewed["ca_cert"] != made["ca_cert"]


def load(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def usages(certificate):
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
