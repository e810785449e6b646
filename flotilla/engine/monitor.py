"""The resource monitor and the engine service that Pulumi's Python SDK calls, as objects in the same process.

The SDK calls them as it calls gRPC stubs (`pulumi.runtime.Settings`), each call on its own thread, so that a call may
block.
"""

from __future__ import annotations

import threading
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, resource_pb2

from flotilla.engine.deployment import Deployment
from flotilla.engine.goal import goal_of
from flotilla.engine.run_state import Refused
from flotilla.errors import EngineError, FlotillaError
from flotilla.state.urns import STACK_TYPE
from flotilla.state.values import INPUTS_KEY, UNKNOWN, Secret, from_struct, to_struct

_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)
_LEGACY_FEATURES = frozenset({"secrets", "resourceReferences", "deletedWith", "aliasSpecs"})


class EmbeddedMonitor:
    """Passes the program's registrations to a deployment. The method names are those of the protocol."""

    def __init__(self, deployment: Deployment) -> None:
        """Serve the deployment of one run."""
        self._deployment = deployment
        self._wrong = threading.Lock()

    def GetDeploymentInfo(self, _request: Any) -> Any:  # noqa: N802
        """Return the supported features."""
        return resource_pb2.DeploymentInfo(supportedFeatures=_FEATURES)

    def SupportsFeature(self, request: Any) -> Any:  # noqa: N802
        """Return whether a feature is supported; older SDKs ask this way."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _LEGACY_FEATURES)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Deploy a resource and answer with its outputs, or with a failure if it isn't deployed."""
        try:
            state = self._deployment.register(goal_of(request))
        except Refused:
            return resource_pb2.RegisterResourceResponse(urn="", result=resource_pb2.Result.FAIL)
        except FlotillaError as error:
            self._refuse(f"{request.type} {request.name}", error)
            return resource_pb2.RegisterResourceResponse(urn="", result=resource_pb2.Result.FAIL)
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn,
            id=state.id,
            object=to_struct(_answer(state.outputs if request.custom else state.inputs)),
            unknown=state.urn in self._deployment.left_out,
        )

    def _refuse(self, what: str, error: FlotillaError) -> None:
        with self._wrong:
            text = f"{what}: {error}"
            if text not in self._deployment.result.failures:
                self._deployment.result.failures.append(text)
        self._deployment.ending.set()

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        """Read a resource that the program doesn't manage."""
        goal = goal_of(
            resource_pb2.RegisterResourceRequest(
                type=request.type,
                name=request.name,
                custom=True,
                parent=request.parent,
                provider=request.provider,
                object=request.properties,
                dependencies=request.dependencies,
            )
        )
        try:
            state = self._deployment.read(goal, request.id)
        except FlotillaError as error:
            self._refuse(f"{request.type} {request.name}", error)
            raise
        return resource_pb2.ReadResourceResponse(urn=state.urn, properties=to_struct(_answer(state.outputs)))

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Store a component's outputs."""
        outputs = from_struct(request.outputs)
        if f"::{STACK_TYPE}::" in request.urn:
            self._deployment.result.outputs = outputs
        self._deployment.register_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        """Refuse functions of providers, by name."""
        raise self._unknown(f"the function {request.tok}")

    def Call(self, request: Any) -> Any:  # noqa: N802
        """Refuse methods of remote components, by name."""
        raise self._unknown(f"the method {request.tok}")

    def RegisterPackage(self, request: Any) -> Any:  # noqa: N802
        """Refuse parameterized packages, by name."""
        raise self._unknown(f"the package {request.name}")

    def RegisterStackTransform(self, _request: Any) -> Any:  # noqa: N802
        """Refuse transforms of the whole stack."""
        raise self._unknown("stack transforms")

    def SignalAndWaitForShutdown(self, _request: Any) -> Any:  # noqa: N802
        """Let the program end: this monitor makes no calls back into it."""
        return empty_pb2.Empty()

    def _unknown(self, what: str) -> EngineError:
        error = EngineError(f"the embedded engine doesn't know {what}", hint="use --engine pulumi")
        self._refuse("the program", error)
        return error


class EmbeddedEngine:
    """The engine's log service: the program's log lines become messages of the run."""

    def __init__(self, deployment: Deployment) -> None:
        """Serve the deployment of one run."""
        self._deployment = deployment
        self._root = ""

    def Log(self, request: Any) -> Any:  # noqa: N802
        """Add a log line to the messages, except debug lines."""
        if request.severity != engine_pb2.DEBUG and request.message.strip():
            level = engine_pb2.LogSeverity.Name(request.severity).lower()
            self._deployment.result.messages.append(f"{level}: {request.message.strip()}")
        return empty_pb2.Empty()

    def GetRootResource(self, _request: Any) -> Any:  # noqa: N802
        """Return the stack's URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any) -> Any:  # noqa: N802
        """Store the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


def _answer(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return outputs for the SDK. A secret that contains an unknown value is unknown.

    An object's copy of its inputs is left out: no program can use it, and the SDK would spend time on reading it.
    """
    return {key: UNKNOWN if _is_unknown(value) else value for key, value in outputs.items() if key != INPUTS_KEY}


def _is_unknown(value: Any) -> bool:
    while isinstance(value, Secret):
        value = value.value
    return value is UNKNOWN
