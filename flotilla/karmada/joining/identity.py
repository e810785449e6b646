"""Client certificates from a control plane's own signer: an identity without a bootstrap token.

Source: the CertificateSigningRequest API (certificates.k8s.io/v1), signer kubernetes.io/kube-apiserver-client. This
works on every control plane whose kube-controller-manager signs, with administrator's rights and without the CA's key.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from http import HTTPStatus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flotilla.errors import FlotillaError
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef
from flotilla.waiting import pause

_API = "certificates.k8s.io/v1"
_SIGNER = "kubernetes.io/kube-apiserver-client"
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2
_DAY_SECONDS = 86400
_ATTEMPTS = 10


@dataclass(frozen=True)
class Identity:
    """A key and its certificate, PEM."""

    key: str
    certificate: str


def request_identity(connection: Connection, *, name: str, user: str, group: str, lifetime_days: int) -> Identity:
    """Request a client certificate, and wait until it is signed.

    Args:
        connection: a connection to the control plane, as administrator.
        name: the request's name; a request that an interrupted run has left is replaced.
        user: the certificate's CN.
        group: the certificate's O.
        lifetime_days: the requested lifetime; the signer may grant less (`--cluster-signing-duration`, a year by
            default).

    Raises:
        FlotillaError: the request was denied, or not signed in time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
        x509.NameAttribute(NameOID.COMMON_NAME, user),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    ref = ObjectRef(_API, "CertificateSigningRequest", name)
    connection.delete(ref, propagation="Background")
    live = connection.create(_request(name, pem, lifetime_days), field_manager="flotilla")
    try:
        _approve(connection, ref, live)
        certificate = _await_certificate(connection, ref)
    finally:
        connection.delete(ref, propagation="Background")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(private.decode(), certificate)


def _request(name: str, pem: bytes, lifetime_days: int) -> Object:
    return {
        "apiVersion": _API,
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": _SIGNER,
            "usages": ["digital signature", "key encipherment", "client auth"],
            "expirationSeconds": lifetime_days * _DAY_SECONDS,
        },
    }


def _approve(connection: Connection, ref: ObjectRef, live: Object) -> None:
    """Approve a request; controllers that process every request may write to it at the same time."""
    path = connection.resource(_API, "CertificateSigningRequest").path(ref.name)
    for attempt in range(_ATTEMPTS):
        conditions = (live.get("status") or {}).get("conditions") or []
        if any(condition["type"] == "Approved" for condition in conditions):
            return
        approved = {"type": "Approved", "status": "True", "reason": "Flotilla", "message": "declared in a stack"}
        body = {**live, "status": {**(live.get("status") or {}), "conditions": [*conditions, approved]}}
        try:
            connection.request("PUT", f"{path}/approval", body=body, doing=f"approving {ref.name}")
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT or attempt == _ATTEMPTS - 1:
                raise
            live = connection.get(ref)
        else:
            return


def _await_certificate(connection: Connection, ref: ObjectRef) -> str:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        status = connection.get(ref).get("status") or {}
        if status.get("certificate"):
            return base64.b64decode(status["certificate"]).decode()
        failed = next((c for c in status.get("conditions") or [] if c["type"] in ("Failed", "Denied")), None)
        if failed:
            raise FlotillaError(f"{connection.name}: {ref.name} was not signed: {failed.get('message', '')}")
        if time.monotonic() > deadline:
            raise FlotillaError(
                f"{connection.name}: {ref.name} was not signed within {_WAIT_SECONDS:.0f} s",
                hint="the control plane's kube-controller-manager must run csrsigning, with a CA to sign with",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"{connection.name}: interrupted while waiting for {ref.name} to be signed")
