"""A random schedule: declared objects, faults and kills, all generated from one seed."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.program import LABEL
from tests.faults import Fault, answer, cut, delay, drop, garble, half, hang, login_page

CLUSTERS = ("member1", "member2")
_KINDS = ("ConfigMap", "Secret", "ServiceAccount", "Token", "Deployment", "Unnamed")
_REFUSAL = (
    b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","message":"chaos","code":500}'
)


@dataclass(frozen=True)
class Trouble:
    """The faults and the kill of one run."""

    faults: tuple[tuple[str, Fault], ...] = ()
    """Each fault, with the cluster whose proxy gets it."""
    dead: str = ""
    """A cluster whose port is closed for the whole run."""
    kill: tuple[int, float] | None = None
    """A signal, and the seconds after which the run gets it."""

    def __str__(self) -> str:
        parts = [f"{cluster}: {fault}" for cluster, fault in self.faults]
        parts += [f"{self.dead} is dead"] if self.dead else []
        parts += [f"signal {self.kill[0]} after {self.kill[1]:.2f} s"] if self.kill else []
        return "; ".join(parts) or "nothing"


@dataclass
class Schedule:
    """One schedule; the same seed gives the same schedule."""

    seed: int
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def desired(self) -> dict[str, list[dict[str, Any]]]:
        """Return objects for each cluster."""
        return {cluster: self._objects() for cluster in CLUSTERS}

    def changed(self, before: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        """Return changed objects: some are removed, some change, some are new."""
        after = {}
        for cluster, objects in before.items():
            kept = [self._altered(one) for one in objects if one["id"] == "namespace" or self.draw.random() > 0.25]
            known = {one["id"] for one in kept}
            # The token controller deletes the tokens of a removed account.
            kept = [one for one in kept if one.get("account", "namespace") in known]
            known = {one["id"] for one in kept}
            kept = [{**one, "after": [other for other in one["after"] if other in known]} for one in kept]
            number = max(int(one["id"].removeprefix("o")) for one in objects if one["id"] != "namespace") + 1
            after[cluster] = kept + [self._object(number + i, kept) for i in range(self.draw.randint(0, 2))]
        return after

    def trouble(self, *, slow: bool) -> Trouble:
        """Return the faults and the kill of a run; `slow` allows faults that last until a timeout."""
        faults = tuple((self.draw.choice(CLUSTERS), self._fault(slow=slow)) for _ in range(self.draw.randint(1, 3)))
        dead = self.draw.choice(CLUSTERS) if self.draw.random() < 0.15 else ""
        kill = None
        if self.draw.random() < 0.3:
            number = self.draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            kill = (int(number), self.draw.uniform(0.5, 2.5))
        return Trouble(faults, dead, kill)

    def _objects(self) -> list[dict[str, Any]]:
        namespace = self._manifest("v1", "Namespace", f"chaos-{self.seed}", namespaced=False)
        objects = [{"id": "namespace", "manifest": namespace, "after": []}]
        for number in range(self.draw.randint(3, 7)):
            objects.append(self._object(number, objects))
        return objects

    def _object(self, number: int, others: list[dict[str, Any]]) -> dict[str, Any]:
        kind, name = self.draw.choice(_KINDS), f"o{number}"
        more: dict[str, str] = {}
        after = ["namespace", *(one["id"] for one in others if self.draw.random() < 0.3)]
        accounts = [one for one in others if one["manifest"]["kind"] == "ServiceAccount"]
        if kind == "Token" and not accounts:
            kind = "ServiceAccount"
        if kind == "Token":
            account = self.draw.choice(accounts)
            manifest = self._manifest("v1", "Secret", name)
            manifest["type"] = "kubernetes.io/service-account-token"
            manifest["metadata"]["annotations"] = {
                "kubernetes.io/service-account.name": account["manifest"]["metadata"]["name"]
            }
            after.append(account["id"])
            more["account"] = account["id"]
        elif kind == "Deployment":
            manifest = self._manifest("apps/v1", "Deployment", name)
            labels = {"app": name}
            container = {"name": "one", "image": f"example/one:{self.draw.randint(1, 9)}"}
            manifest["spec"] = {
                "replicas": self.draw.randint(0, 2),
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            }
        elif kind == "Unnamed":
            manifest = self._manifest("v1", "ConfigMap", "")
            manifest["data"] = {"id": name, "value": str(self.draw.randint(0, 9))}
        else:
            manifest = self._manifest("v1", kind, name)
            if kind == "ConfigMap":
                manifest["data"] = {"id": name, "value": str(self.draw.randint(0, 9))}
            if kind == "Secret":
                manifest["stringData"] = {"value": str(self.draw.randint(0, 9))}
        return {"id": name, "manifest": manifest, "after": sorted(set(after)), **more}

    def _manifest(self, api_version: str, kind: str, name: str, *, namespaced: bool = True) -> dict[str, Any]:
        metadata: dict[str, Any] = {"labels": {LABEL: str(self.seed)}}
        metadata |= {"name": name} if name else {}
        metadata |= {"namespace": f"chaos-{self.seed}"} if namespaced else {}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

    def _altered(self, one: dict[str, Any]) -> dict[str, Any]:
        manifest = {**one["manifest"]}
        if self.draw.random() < 0.5:
            return one
        for part in ("data", "stringData"):
            if part in manifest:
                manifest[part] = {**manifest[part], "value": f"changed-{self.draw.randint(0, 9)}"}
        if manifest["kind"] == "Deployment":
            manifest["spec"] = {**manifest["spec"], "replicas": self.draw.randint(0, 3)}
        return {**one, "manifest": manifest}

    def _fault(self, *, slow: bool) -> Fault:
        conditions: dict[str, Any] = {"agent": "^flotilla"}
        conditions["method"] = self.draw.choice(("", "", "GET", "PATCH|POST", "DELETE"))
        if self.draw.random() < 0.6:
            conditions |= {"nth": self.draw.randint(1, 12)}
        else:
            conditions |= {"probability": self.draw.uniform(0.05, 0.5), "times": self.draw.randint(1, 6)}
        kinds = [
            lambda: delay(self.draw.uniform(0.1, 1.0), **conditions),
            lambda: drop(**conditions),
            lambda: drop(after=True, **conditions),
            lambda: cut(**conditions),
            lambda: half(**conditions),
            lambda: garble(**conditions),
            lambda: login_page(self.draw.choice((200, 302)), **conditions),
            lambda: answer(self.draw.choice((401, 429, 500, 502, 503, 504)), **conditions),
            lambda: answer(self.draw.choice((500, 503)), _REFUSAL, after=True, **conditions),
        ]
        if slow and self.draw.random() < 0.1:
            kinds = [lambda: hang(after=self.draw.random() < 0.5, **{**conditions, "times": 1})]
        return self.draw.choice(kinds)()
