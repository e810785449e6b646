"""A small fake API server in this process: objects in memory, discovery, lists, apply, patch, delete and watches.

It has no schemas, admission or controllers; it serves for tests of how clients handle answers.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.faults.applied import applied

Object = dict[str, Any]

# apiVersion, kind, plural, namespaced
KINDS: tuple[tuple[str, str, str, bool], ...] = (
    ("v1", "Namespace", "namespaces", False),
    ("v1", "ConfigMap", "configmaps", True),
    ("v1", "Secret", "secrets", True),
    ("v1", "Service", "services", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("v1", "Pod", "pods", True),
    ("v1", "Event", "events", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("apps/v1", "StatefulSet", "statefulsets", True),
    ("apps/v1", "DaemonSet", "daemonsets", True),
    ("batch/v1", "Job", "jobs", True),
    ("batch/v1", "CronJob", "cronjobs", True),
    ("networking.k8s.io/v1", "Ingress", "ingresses", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", False),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False),
    ("cluster.karmada.io/v1alpha1", "Cluster", "clusters", False),
    ("policy.karmada.io/v1alpha1", "PropagationPolicy", "propagationpolicies", True),
    ("policy.karmada.io/v1alpha1", "ClusterPropagationPolicy", "clusterpropagationpolicies", False),
    ("policy.karmada.io/v1alpha1", "OverridePolicy", "overridepolicies", True),
    ("policy.karmada.io/v1alpha1", "ClusterOverridePolicy", "clusteroverridepolicies", False),
    ("work.karmada.io/v1alpha1", "Work", "works", True),
    ("work.karmada.io/v1alpha2", "ResourceBinding", "resourcebindings", True),
    ("work.karmada.io/v1alpha2", "ClusterResourceBinding", "clusterresourcebindings", False),
)
_PATH = re.compile(
    r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)


class FakeApi:
    """The server, a context manager; `kubeconfig` connects to it."""

    def __init__(self, *objects: Object, kinds: tuple[tuple[str, str, str, bool], ...] = KINDS) -> None:
        """Store some objects, and the Namespace kube-system, which every cluster has."""
        self.kinds = kinds
        self.requests: list[str] = []
        """Method and path of each request, in order."""
        self.refusals: dict[tuple[str, str], str] = {}
        """By kind and name of an object: the message with which the server refuses to apply it."""
        self.forbidden: set[str] = set()
        """Kinds that may not be listed."""
        self._version = 0
        self._objects: dict[tuple[str, str, str, str], Object] = {}
        self._events: list[tuple[int, tuple[str, str], Object]] = []
        self._changed = threading.Condition()
        self._stopped = False
        for obj in ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}, *objects):
            self.put(obj)

    def __enter__(self) -> Self:
        outer = self

        class Handler(_Handler):
            api = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.server = f"http://127.0.0.1:{self._server.server_port}"
        user = {"token": "a-token-of-tests"}
        self.kubeconfig = yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "fake",
                "clusters": [{"name": "fake", "cluster": {"server": self.server}}],
                "users": [{"name": "fake", "user": user}],
                "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            }
        )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-api", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    # -- objects ------------------------------------------------------------------------------------

    def put(self, obj: Object) -> Object:
        """Create or replace an object, as another client would."""
        with self._changed:
            key = self._key(obj)
            old = self._objects.get(key)
            new = copy.deepcopy(obj)
            meta = new.setdefault("metadata", {})
            self._version += 1
            meta["resourceVersion"] = str(self._version)
            meta["uid"] = (old or {}).get("metadata", {}).get("uid") or str(uuid.uuid4())
            meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            self._objects[key] = new
            self._notify("MODIFIED" if old else "ADDED", key, new)
            return copy.deepcopy(new)

    def take(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """Delete an object and return it; None where there is none."""
        with self._changed:
            key = (api_version, kind, namespace, name)
            gone = self._objects.pop(key, None)
            if gone is not None:
                self._version += 1
                self._notify("DELETED", key, gone)
            return gone

    def find(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return a copy of an object."""
        with self._changed:
            return copy.deepcopy(self._objects.get((api_version, kind, namespace, name)))

    def _key(self, obj: Object) -> tuple[str, str, str, str]:
        meta = obj["metadata"]
        return obj["apiVersion"], obj["kind"], meta.get("namespace") or "", meta["name"]

    def _notify(self, type_: str, key: tuple[str, str, str, str], obj: Object) -> None:
        self._events.append((self._version, key[:2], {"type": type_, "object": copy.deepcopy(obj)}))
        self._changed.notify_all()

    # -- calls of the handler -----------------------------------------------------------------------

    def listed(self, api_version: str, kind: str, namespace: str, query: dict[str, str]) -> Object:
        """Return a list of objects."""
        with self._changed:
            items = [
                copy.deepcopy(obj)
                for key, obj in sorted(self._objects.items())
                if key[:2] == (api_version, kind) and namespace in ("", key[2]) and _selected(obj, query)
            ]
            meta = {"resourceVersion": str(self._version)}
            return {"kind": f"{kind}List", "apiVersion": api_version, "metadata": meta, "items": items}

    def merged(self, ref: tuple[str, str, str, str], body: Any, *, create: bool) -> Object | None:
        """Apply a merge patch; return None if the object doesn't exist and `create` is false."""
        with self._changed:
            old = self._objects.get(ref)
            if old is None and not create:
                return None
            api_version, kind, namespace, name = ref
            new = _merge(copy.deepcopy(old or {}), body)
            new.update(apiVersion=api_version, kind=kind)
            meta = new.setdefault("metadata", {})
            meta["name"] = name
            if namespace:
                meta["namespace"] = namespace
            if old is not None and _plain(old) == _plain(new):
                return copy.deepcopy(old)
            return self.put(new)

    def watched(self, since: int, api_version: str, kind: str, seconds: float) -> Any:
        """Yield the events after a version, for some seconds."""
        end = time.monotonic() + seconds
        position = 0
        while True:
            with self._changed:
                while position >= len(self._events) and not self._stopped and time.monotonic() < end:
                    self._changed.wait(max(0.0, end - time.monotonic()))
                new = self._events[position:]
                position = len(self._events)
                stopped = self._stopped
            yield from (event for version, of, event in new if version > since and of == (api_version, kind))
            if stopped or time.monotonic() >= end:
                return


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it so
        """Don't log requests."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        self.api.requests.append(f"{self.command} {self.path}")
        where = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(where.query).items()}
        found = _PATH.match(where.path)
        if found is None:
            self._discovery(where.path)
            return
        api_version = found["core"] or f"{found['group']}/{found['version']}"
        entry = next((k for k in self.api.kinds if k[0] == api_version and k[2] == found["plural"]), None)
        if entry is None or found["sub"]:
            self._refuse(404, "NotFound", "the server could not find the requested resource")
            return
        ref = (api_version, entry[1], found["namespace"] or "", found["name"] or "")
        self._object(ref, query, json.loads(content) if content else None)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _discovery(self, path: str) -> None:
        versions = sorted({kind[0] for kind in self.api.kinds})
        if path == "/version":
            self._send(200, {"major": "1", "minor": "35", "gitVersion": "v1.35.0"})
        elif path == "/apis":
            groups = [
                {
                    "name": version.partition("/")[0],
                    "versions": [{"groupVersion": version, "version": version.partition("/")[2]}],
                    "preferredVersion": {"groupVersion": version, "version": version.partition("/")[2]},
                }
                for version in versions
                if "/" in version
            ]
            self._send(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        elif path.removeprefix("/apis/").removeprefix("/api/") in versions:
            version = path.removeprefix("/apis/").removeprefix("/api/")
            resources = [
                {"name": plural, "kind": kind, "namespaced": namespaced, "singularName": kind.lower(), "verbs": []}
                for of, kind, plural, namespaced in self.api.kinds
                if of == version
            ]
            body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
            self._send(200, body)
        else:
            self._refuse(404, "NotFound", "the server could not find the requested resource")

    def _object(self, ref: tuple[str, str, str, str], query: dict[str, str], body: Any) -> None:
        api_version, kind, namespace, name = ref
        if query.get("watch") == "true":
            self._watch(api_version, kind, query)
        elif kind == "SelfSubjectAccessReview":
            self._send(201, {**body, "status": {"allowed": True}})
        elif self.command == "POST":
            self._create(ref, body)
        elif not name and kind in self.api.forbidden:
            self._refuse(403, "Forbidden", f"{kind} is forbidden: the user may not list it")
        elif not name:
            self._send(200, self.api.listed(api_version, kind, namespace, query))
        elif self.command == "DELETE":
            gone = self.api.take(api_version, kind, name, namespace)
            self._found(ref, gone)
        elif self.command == "PATCH":
            self._patch(ref, query, body)
        else:
            self._found(ref, self.api.find(api_version, kind, name, namespace))

    def _patch(self, ref: tuple[str, str, str, str], query: dict[str, str], body: Any) -> None:
        api_version, kind, namespace, name = ref
        old = self.api.find(api_version, kind, name, namespace)
        if isinstance(body, list):  # the only supported JSON patch: of managedFields
            version = (old or {"metadata": {}})["metadata"].get("resourceVersion")
            values = {one["path"]: one["value"] for one in body}
            if old is None or version != values["/metadata/resourceVersion"]:
                self._refuse(409, "Conflict", "the object has been modified")
                return
            entries = {"managedFields": values["/metadata/managedFields"]}
            self._found(ref, self.api.put({**old, "metadata": {**old["metadata"], **entries}}))
        elif any(
            (body.get("metadata") or {}).get(key) not in (None, (old or {"metadata": {}})["metadata"].get(key))
            and (old is not None or key == "uid")
            for key in ("uid", "resourceVersion")
        ):
            self._refuse(409, "Conflict", "the object has been modified")
        elif "apply-patch" not in self.headers.get("Content-Type", ""):
            self._found(ref, self.api.merged(ref, body, create=False))
        elif refusal := self.api.refusals.get((kind, name)):
            self._refuse(422, "Invalid", refusal)
        else:
            self._apply(ref, query, body, old)

    def _apply(self, ref: tuple[str, str, str, str], query: dict[str, str], body: Object, old: Object | None) -> None:
        new = applied(old, body, query["fieldManager"])
        dry, same = query.get("dryRun") == "All", old is not None and _plain(old) == _plain(new)
        if dry:
            meta = {"uid": "of-a-dry-run", **new["metadata"]}
            self._found(ref, {**new, "metadata": meta})
        else:
            self._found(ref, old if same else self.api.put(new))

    def _create(self, ref: tuple[str, str, str, str], body: Object) -> None:
        api_version, kind, namespace, _ = ref
        body.setdefault("metadata", {})
        if namespace:
            body["metadata"]["namespace"] = namespace
        name = body["metadata"]["name"]
        if self.api.find(api_version, kind, name, namespace):
            self._refuse(409, "AlreadyExists", f'{kind} "{name}" already exists')
            return
        self._send(201, self.api.put({"apiVersion": api_version, "kind": kind, **body}))

    def _watch(self, api_version: str, kind: str, query: dict[str, str]) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        since = int(query.get("resourceVersion") or 0)
        for event in self.api.watched(since, api_version, kind, float(query.get("timeoutSeconds") or 5)):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _found(self, ref: tuple[str, str, str, str], obj: Object | None) -> None:
        if obj is None:
            self._refuse(404, "NotFound", f'{ref[1]} "{ref[3]}" not found')
        else:
            self._send(200, obj)

    def _refuse(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self._send(code, {**status, "reason": reason, "message": message})

    def _send(self, code: int, body: Object) -> None:
        content = json.dumps(body).encode()
        self.send_response_only(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _selected(obj: Object, query: dict[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for part in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, value = part.partition("=")
        if key not in labels or (equals and labels[key] != value.removeprefix("=")):
            return False
    for part in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = part.partition("=")
        found: Any = obj
        for step in key.split("."):
            found = (found or {}).get(step)
        if (found or "") != value:
            return False
    return True


def _plain(obj: Object) -> Object:
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "uid", "creationTimestamp")}
    return {**obj, "metadata": meta}


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result
