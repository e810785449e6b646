"""Views of Works (`work.karmada.io/v1alpha1`): each contains objects for one member."""

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.apis import WORK_API
from flotilla.karmada.objects.views import ApiModel, Bool, Condition, Int, KnownValues, Since, WithConditions


class Workload(ApiModel):
    """The manifests of a Work."""

    manifests: list[dict[str, Any]] = Field(default_factory=list)


class WorkSpec(ApiModel):
    """What Karmada sends to a member."""

    workload: Workload = Workload()
    suspend_dispatching: Annotated[Bool | None, Since(1, 11)] = None
    preserve_resources_on_deletion: Annotated[Bool | None, Since(1, 12)] = None


class ResourceIdentifier(ApiModel):
    """Which of a Work's manifests a status belongs to."""

    ordinal: Int
    group: str | None = None
    version: str = ""
    kind: str
    resource: str = ""
    namespace: str | None = None
    name: str


class ManifestStatus(ApiModel):
    """The status of one manifest that a member reports."""

    identifier: ResourceIdentifier
    health: Annotated[str, KnownValues("Healthy", "Unhealthy", "Unknown")] | None = None
    status: dict[str, Any] | None = None


class WorkStatus(ApiModel):
    """The progress of a Work."""

    conditions: list[Condition] = Field(default_factory=list)
    manifest_statuses: list[ManifestStatus] = Field(default_factory=list)


class Work(WithConditions):
    """Objects for one member, in the member's execution namespace."""

    api_version_of = WORK_API
    kind_of = "Work"

    spec: WorkSpec
    status: WorkStatus = WorkStatus()
