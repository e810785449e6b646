"""Finds certificates in the stack's kubeconfigs that are about to expire."""

from __future__ import annotations

import base64
import datetime as dt
import warnings
from typing import Any

from cryptography import x509

from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.errors import ClusterError
from flotilla.kube import kubeconfig as kubeconfigs

WARNING_DAYS = 30


def check_certificates(cluster: str, kubeconfig: str, *, now: dt.datetime | None = None) -> list[Finding]:
    """Return a finding for each certificate that has expired or expires within `WARNING_DAYS`.

    Args:
        cluster: the name of the kubeconfig's cluster.
        kubeconfig: the kubeconfig's text, with its certificates inline.
        now: the time to compare with, with its time zone; None for the present.

    Raises:
        ClusterError: a certificate can't be read.
        KubeconfigError: the kubeconfig can't be read.
    """
    document = kubeconfigs.select(kubeconfigs.load(kubeconfig))
    parts = (
        ("the API server's CA", document["clusters"][0]["cluster"].get("certificate-authority-data")),
        ("the client certificate", document["users"][0]["user"].get("client-certificate-data")),
    )
    found = []
    for what, encoded in parts:
        if not encoded:
            continue
        for certificate in _read(what, encoded):
            left = certificate.not_valid_after_utc - (now or dt.datetime.now(dt.UTC))
            if left.days < WARNING_DAYS:
                when = certificate.not_valid_after_utc.date().isoformat()
                message = f"{what} expire{'d' if left.total_seconds() < 0 else 's'} on {when}"
                found.append(
                    Finding(
                        Layer.PLAN,
                        "certificate-expiring",
                        cluster,
                        f"kubeconfig of {cluster}",
                        message,
                        remedy=Remedy.MANUAL,
                    )
                )
    return found


def _read(what: str, encoded: Any) -> list[x509.Certificate]:
    """Return certificates without warnings of the library: those of local clusters have the serial number 0."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x509.load_pem_x509_certificates(base64.b64decode(encoded))
    except (ValueError, TypeError):
        raise ClusterError(f"{what} in the kubeconfig is not a certificate") from None
