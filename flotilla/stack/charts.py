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
    """One of three places, and which version of the chart is meant there."""

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
    """A chart as the `helm` command takes it."""

    chart: str
    """A name in `repository`, an absolute path, or an OCI reference."""
    version: str | None = None
    """None for a path, which has the chart itself."""
    repository: str | None = None


def reference(place: ChartPlace, base: Path, *, name: str, version: str | None, repository: str) -> ChartReference:
    """Return a chart as the `helm` command takes it.

    Args:
        place: what the stack file says.
        base: the project's folder, which paths refer to.
        name: the chart's name in a repository.
        version: the version where the stack file names none.
        repository: the repository where the stack file names no place.

    Raises:
        UnreadableFile: `path` can't be a path.
    """
    if place.path:
        return ChartReference(str(located(place.path, base)))
    if place.oci:
        return ChartReference(place.oci, place.version or version)
    return ChartReference(name, place.version or version, place.repository or repository)
