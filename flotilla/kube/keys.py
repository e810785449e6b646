"""Loads the certificates and keys of a kubeconfig without leaving them in files.

The `kubernetes` package writes them to temporary files, which it removes only when the process exits normally: a
killed process would leave an administrator's key on the disk. So the package does not get them. It still writes a
certificate that a credential plugin gives.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from typing import Any

from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

_AUTHORITY = "certificate-authority-data"
_CERTIFICATE, _KEY = "client-certificate-data", "client-key-data"


def without(document: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig of one context without its inline certificates and key."""
    cluster, user = document["clusters"][0], document["users"][0]
    kept = {key: value for key, value in (cluster["cluster"] or {}).items() if key != _AUTHORITY}
    known = {key: value for key, value in (user["user"] or {}).items() if key not in (_CERTIFICATE, _KEY)}
    return {**document, "clusters": [{**cluster, "cluster": kept}], "users": [{**user, "user": known}]}


def load(pool: Any, document: dict[str, Any]) -> str:
    """Load certificates and key into the TLS context of a pool.

    Args:
        pool: urllib3's PoolManager that the package made for `without(document)`, not connected yet.
        document: a kubeconfig of one context.

    Returns:
        What is wrong with the certificates or the key; empty if nothing is.
    """
    settings = pool.connection_pool_kw
    cluster, user = document["clusters"][0]["cluster"] or {}, document["users"][0]["user"] or {}
    try:
        context = create_urllib3_context(cert_reqs=resolve_cert_reqs(settings["cert_reqs"]))
        if cluster.get(_AUTHORITY):
            context.load_verify_locations(cadata=_decoded(cluster[_AUTHORITY]))
        elif settings["ca_certs"]:
            context.load_verify_locations(settings["ca_certs"])
        elif context.verify_mode is not ssl.CERT_NONE and str(cluster.get("server", "")).lower().startswith("https"):
            # Loading takes longer than a request, so it is left out for servers whose certificate isn't verified.
            context.load_default_certs()
        if user.get(_CERTIFICATE) and user.get(_KEY):
            _load_chain(context, _decoded(user[_CERTIFICATE]), _decoded(user[_KEY]))
        elif settings["cert_file"]:
            context.load_cert_chain(settings["cert_file"], settings["key_file"], password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        return f"its certificates or its key can't be read ({reason or 'not PEM in base64'})"
    for name in ("ca_certs", "cert_file", "key_file"):
        settings[name] = None
    settings["ssl_context"] = context
    return ""


def _decoded(data: Any) -> str:
    return base64.b64decode(str(data)).decode()


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate. The `ssl` module reads only files, so a file exists while it reads."""
    with tempfile.NamedTemporaryFile("w", prefix="flotilla-", suffix=".pem") as file:  # mode 0600
        file.write(f"{certificate.rstrip()}\n{key}")
        file.flush()
        context.load_cert_chain(file.name, password="")
