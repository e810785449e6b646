"""The control plane's certificates: CAs, those of the chart's servers and clients, and the administrator's.

The chart uses a single key pair for its API server, etcd and webhook, and for signing the tokens of service accounts
(1.10 to 1.18). Its certificate has CN `system:admin` and O `system:masters`. A second CA signs the certificate of the
front proxy. Keys are RSA, like those of the chart's own job, so that the tokens have the usual signature algorithm.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
from dataclasses import asdict, dataclass
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from flotilla.karmada.installing.chart import CHART_HOSTS, SYSTEM_NAMESPACE

_KEY_BITS = 3072
_CLOCK_SKEW = dt.timedelta(minutes=5)
_FINGERPRINT_LENGTH = 32


@dataclass(frozen=True)
class Certificates:
    """All certificates and keys of a control plane, as PEM texts."""

    ca_cert: str
    ca_key: str
    cert: str
    key: str
    front_proxy_ca_cert: str
    front_proxy_ca_key: str
    front_proxy_cert: str
    front_proxy_key: str
    admin_cert: str
    admin_key: str

    def plain(self) -> dict[str, str]:
        """Return the certificates and keys as plain data."""
        return asdict(self)


def service_names(domain: str = "cluster.local") -> list[str]:
    """Return the names that the control plane's components use for each other within the host cluster."""
    filled = {"{{ .Release.Namespace }}": SYSTEM_NAMESPACE, "{{ .Values.clusterDomain }}": domain}
    names = list(CHART_HOSTS)
    for template, value in filled.items():
        names = [name.replace(template, value) for name in names]
    return names


def issue(
    names: list[str],
    *,
    lifetime_days: int,
    ca_lifetime_days: int,
    keep: Certificates | None = None,
    now: dt.datetime | None = None,
) -> Certificates:
    """Issue certificates.

    Args:
        names: every DNS name and IP address that clients dial.
        lifetime_days: the lifetime of the certificates; no certificate outlives its CA.
        ca_lifetime_days: the lifetime of the CAs.
        keep: the existing certificates. Their CAs and keys are reused: clients still trust the API server, and tokens
            of service accounts, which are signed with its key, stay valid. None creates everything again.
        now: the current time; for tests.
    """
    moment = now or dt.datetime.now(dt.UTC)
    until = moment + dt.timedelta(days=lifetime_days)
    ca = _authority("karmada", ca_lifetime_days, moment, (keep.ca_cert, keep.ca_key) if keep else None)
    front = _authority(
        "karmada-front-proxy",
        ca_lifetime_days,
        moment,
        (keep.front_proxy_ca_cert, keep.front_proxy_ca_key) if keep else None,
    )
    key = _key(keep.key if keep else None)
    front_key = _key(keep.front_proxy_key if keep else None)
    admin_key = _key(keep.admin_key if keep else None)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    admin = _subject("system:admin", "system:masters")
    return Certificates(
        ca_cert=_pem(ca[0]),
        ca_key=_key_pem(ca[1]),
        cert=_pem(_leaf(ca, key, admin, moment, until, both, names)),
        key=_key_pem(key),
        front_proxy_ca_cert=_pem(front[0]),
        front_proxy_ca_key=_key_pem(front[1]),
        front_proxy_cert=_pem(
            _leaf(front, front_key, _subject("front-proxy-client"), moment, until, [ExtendedKeyUsageOID.CLIENT_AUTH])
        ),
        front_proxy_key=_key_pem(front_key),
        admin_cert=_pem(_leaf(ca, admin_key, admin, moment, until, [ExtendedKeyUsageOID.CLIENT_AUTH])),
        admin_key=_key_pem(admin_key),
    )


def expires(pem: str) -> dt.datetime:
    """Return when a certificate expires, UTC."""
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def names_of(pem: str) -> list[str]:
    """Return the DNS names and IP addresses in a certificate."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def covers(pem: str, host: str) -> bool:
    """Return whether a certificate is valid for a host, as TLS clients check it (RFC 6125: a star is one label)."""
    return is_named(host, names_of(pem))


def is_named(host: str, names: list[str]) -> bool:
    """Return whether a host is among names, where a star stands for one label."""
    _, _, parent = host.partition(".")
    return host in names or (bool(parent) and f"*.{parent}" in names)


def fingerprint(*pems: str) -> str:
    """Return a short text that changes with any of the certificates; it is a valid label value."""
    return hashlib.sha256("".join(pems).encode()).hexdigest()[:_FINGERPRINT_LENGTH]


def kubeconfig(server: str, *, ca_cert: str, cert: str, key: str, name: str = "karmada") -> str:
    """Return a kubeconfig that contains the certificates."""
    return _kubeconfig(
        server,
        name,
        certificate_authority=base64.b64encode(ca_cert.encode()).decode(),
        user={
            "client-certificate-data": base64.b64encode(cert.encode()).decode(),
            "client-key-data": base64.b64encode(key.encode()).decode(),
        },
    )


def republished(document: dict[str, Any], server: str, *, name: str = "karmada") -> str:
    """Return a kubeconfig with one context for another URL, with Flotilla's names of cluster, user and context."""
    cluster = document["clusters"][0]["cluster"]
    return _kubeconfig(
        server,
        name,
        certificate_authority=cluster["certificate-authority-data"],
        user=dict(document["users"][0]["user"]),
    )


def _kubeconfig(server: str, name: str, *, certificate_authority: str, user: dict[str, str]) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": certificate_authority}}
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
    )


_Authority = tuple[x509.Certificate, rsa.RSAPrivateKey]


def _authority(name: str, days: int, moment: dt.datetime, existing: tuple[str, str] | None) -> _Authority:
    if existing:
        return x509.load_pem_x509_certificate(existing[0].encode()), _key(existing[1])
    key = _key(None)
    subject = _subject(name)
    certificate = (
        _builder(subject, subject, key, moment, moment + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _leaf(
    authority: _Authority,
    key: rsa.RSAPrivateKey,
    subject: x509.Name,
    moment: dt.datetime,
    until: dt.datetime,
    usages: list[x509.ObjectIdentifier],
    names: list[str] | None = None,
) -> x509.Certificate:
    ca, ca_key = authority
    builder = (
        _builder(subject, ca.subject, key, moment, min(until, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if names:
        unique = list(dict.fromkeys(names))
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in unique]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Return the usages of a key: a CA signs certificates, all other keys are for TLS."""
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, moment: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _CLOCK_SKEW)
        .not_valid_after(until)
    )


def _subject(name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key(pem: str | None) -> rsa.RSAPrivateKey:
    if pem is None:
        return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: rsa.RSAPrivateKey) -> str:
    # PKCS#1: the API server and etcd read this form, and the chart's own job creates it.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
