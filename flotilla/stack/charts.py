"""Where a Helm chart is: in a repository, at an OCI reference, or in the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from flotilla.kube.reading import located
from flotilla.stack.problems import ConfigModel, refuse

OLDEST_HELM = (3, 13)
"""The oldest `helm` command that is supported."""
INSTALL_HELM = "install Helm {}.{} or newer: helm.sh".format(*OLDEST_HELM)


class ChartPlace(ConfigModel):
    """The place of a chart, which is at most one of three, and the chart's version."""

    repository: str | None = Field(default=None, description="URL of a chart repository.")
    path: str | None = Field(default=None, description="Folder or archive, relative to the project's folder.")
    oci: str | None = Field(default=None, description="OCI reference: oci://registry/path/chart.")
    version: str | None = Field(default=None, description="The chart's version.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if [self.repository, self.path, self.oci].count(None) < 2:  # noqa: PLR2004 - at most one of three
            raise refuse("needs at most one of 'repository', 'path' and 'oci'", remedy="keep one of them")
        if self.oci and not self.oci.startswith("oci://"):
            raise refuse("'oci' must begin with oci://", remedy=f"write oci://{self.oci}")
        return self


@dataclass(frozen=True)
class ChartReference:
    """A chart in the form that the `helm` command takes."""

    chart: str
    """A name in `repository`, an absolute path, or an OCI reference."""
    version: str | None = None
    """None for a path: the chart there has its own version."""
    repository: str | None = None


def reference(place: ChartPlace, base: Path, *, name: str, version: str | None, repository: str) -> ChartReference:
    """Return a chart in the form that the `helm` command takes.

    Args:
        place: the place that the stack file gives.
        base: the project's folder, to which paths are relative.
        name: the chart's name in a repository.
        version: the version to use where the stack file gives none.
        repository: the repository to use where the stack file gives no place.

    Raises:
        UnreadableFile: `path` is not a valid path.
    """
    if place.path:
        return ChartReference(str(located(place.path, base)))
    if place.oci:
        return ChartReference(place.oci, place.version or version)
    return ChartReference(name, place.version or version, place.repository or repository)
