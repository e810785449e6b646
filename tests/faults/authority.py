"""The proxy's own certificate authority, and kubeconfigs that connect through the proxy."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Document = dict[str, Any]


@dataclass(frozen=True)
class Upstream:
    """The server of a kubeconfig, and TLS contexts for connections to it."""

    server: str
    trusting: ssl.SSLContext | None
    """For requests that have their own credentials; None for plain HTTP."""
    presenting: ssl.SSLContext | None
    """The same, with the kubeconfig's client certificate where it has one."""


def upstream_of(document: Document, folder: Path) -> Upstream:
    """Return the server of a kubeconfig with one context; write its client key to the folder, mode 0600."""
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    if cluster["server"].startswith("http://"):
        return Upstream(cluster["server"], None, None)
    certificate = _content(user, "client-certificate")
    if not certificate:
        return Upstream(cluster["server"], _context(cluster), _context(cluster))
    file = folder / "upstream.pem"
    file.touch(mode=0o600)
    file.write_bytes(certificate + b"\n" + _content(user, "client-key"))
    presenting = _context(cluster)
    presenting.load_cert_chain(file)
    return Upstream(cluster["server"], _context(cluster), presenting)


def kubeconfig_for_proxy(document: Document, port: int, folder: Path) -> tuple[Document, ssl.SSLContext]:
    """Return a kubeconfig for a proxy on loopback, and the TLS context of the proxy's server.

    A client certificate can't pass through the proxy. The kubeconfig gets a certificate of the proxy's authority
    instead; for clients that present it, the proxy presents the original one to the server. Tokens stay.
    """
    authority = Authority()
    certificate, key = authority.issue("127.0.0.1", server=True)
    serving = folder / "serving.pem"
    serving.touch(mode=0o600)
    serving.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving)
    context.load_verify_locations(cadata=authority.pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    changed = copy.deepcopy(document)
    cluster, user = changed["clusters"][0]["cluster"], changed["users"][0]["user"]
    for name in ("certificate-authority", "insecure-skip-tls-verify", "tls-server-name", "proxy-url"):
        cluster.pop(name, None)
    cluster["server"] = f"https://127.0.0.1:{port}"
    cluster["certificate-authority-data"] = base64.b64encode(authority.pem).decode()
    if _content(user, "client-certificate"):
        certificate, key = authority.issue("client", server=False)
        user.pop("client-certificate", None)
        user.pop("client-key", None)
        user["client-certificate-data"] = base64.b64encode(certificate).decode()
        user["client-key-data"] = base64.b64encode(key).decode()
    return changed, context


def text_of(document: Document) -> str:
    """Return a kubeconfig as text."""
    return yaml.safe_dump(document, sort_keys=True)


class Authority:
    """A certificate authority for one proxy."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "flotilla-fault-proxy")])
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *, server: bool) -> tuple[bytes, bytes]:
        """Return a certificate and its key, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if server:
            addresses = [x509.IPAddress(ipaddress.ip_address(name)), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), plain

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=90))
        )


def _context(cluster: Document) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    authority = _content(cluster, "certificate-authority")
    if authority:
        context.load_verify_locations(cadata=authority.decode())
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _content(section: Document, name: str) -> bytes:
    if section.get(f"{name}-data"):
        return base64.b64decode(section[f"{name}-data"])
    return Path(section[name]).read_bytes() if section.get(name) else b""
