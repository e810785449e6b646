"""Sources from which a workload's objects are rendered: a Helm chart, or a kustomization."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from flotilla.stack.charts import ChartPlace
from flotilla.stack.problems import ConfigModel, refuse

INSTALL_KUSTOMIZE = "install kustomize 5.0 or newer (kustomize.sigs.k8s.io), or kubectl, which has it"
# Helm's own rules (pkg/chartutil/validate_name.go), and semver.org's.
LONGEST_RELEASE = 53
_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_CHART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_KUBE_VERSION = re.compile(r"v?1\.\d+(\.\d+)?([-+][0-9A-Za-z.+-]+)?")
_API_VERSION = re.compile(r"[A-Za-z0-9.-]+(/[A-Za-z0-9.-]+){0,2}")


def _release(value: str) -> str:
    if not release_fits(value):
        raise refuse(
            f"must be a release's name: at most {LONGEST_RELEASE} lower-case letters, digits, '-' and '.'",
            consequence="helm would refuse it",
            remedy="shorten or rename it",
        )
    return value


def release_fits(name: str) -> bool:
    """Return whether helm accepts a name for a release."""
    return len(name) <= LONGEST_RELEASE and _RELEASE.fullmatch(name) is not None


def _api_version(value: str) -> str:
    if not _API_VERSION.fullmatch(value):
        raise refuse("must be a version of an API, or a kind in it", remedy="write `monitoring.coreos.com/v1`")
    return value


class Hooks(StrEnum):
    """What happens to a chart's hooks, which helm runs before or after it installs, upgrades or deletes a release."""

    SKIP = "skip"
    """Flotilla leaves them out."""
    INCLUDE = "include"
    """Flotilla declares hooks of install and upgrade like other objects, and leaves out those of delete."""


class WorkloadChart(ChartPlace):
    """A Helm chart whose rendered objects a workload declares.

    Exactly one of `repository` (with `name`), `oci` and `path`.
    """

    name: str | None = Field(default=None, description="The name of the chart in `repository`.")
    version: str | None = Field(
        default=None, description="The exact version of the chart; required with `repository` and `oci`."
    )
    release: Annotated[str, AfterValidator(_release)] | None = Field(
        default=None,
        description="The name of the release that templates see. Default: the name of the workload, or its `formerly`.",
    )
    values: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Values of the chart. They override those of `valuesFiles`."
    )
    values_files: tuple[str, ...] = Field(
        default=(),
        description="Files with values, relative to the project's folder. Later files override earlier ones.",
    )
    include_crds: bool = Field(
        default=True, alias="includeCRDs", description="Also declare the definitions in the chart's `crds` folders."
    )
    hooks: Hooks | None = Field(
        default=None,
        description="What happens to hooks of install and upgrade. Left out, a chart that has such hooks is refused.",
    )
    kube_version: str | None = Field(
        default=None, description="The version of Kubernetes that templates see. Default: helm's own."
    )
    api_versions: tuple[Annotated[str, AfterValidator(_api_version)], ...] = Field(
        default=(),
        description="More API versions that templates see among the capabilities, such as `monitoring.coreos.com/v1`.",
    )

    @model_validator(mode="after")
    def _place(self) -> Self:
        if not (self.repository or self.path or self.oci):
            raise refuse(
                "needs one of 'repository', 'oci' and 'path'",
                consequence="there would be no chart to render",
                remedy="give one of them",
            )
        if bool(self.repository) != bool(self.name):
            raise refuse(
                "needs 'name' and 'repository' together: a path and an OCI reference have the chart's name in them",
                consequence="it would be unclear which chart to use",
                remedy="add the chart's name" if self.repository else "remove 'name'",
            )
        if self.name and not _CHART.fullmatch(self.name):
            raise refuse("'name' must be a chart's name: letters, digits, '-', '_' and '.'", remedy="correct it")
        if self.repository and not re.match(r"[a-z][a-z0-9+.-]*://", self.repository):
            raise refuse("'repository' must be a URL", remedy="write https://...")
        if "@" in urlsplit(self.repository or self.oci or "").netloc:
            raise refuse(
                "has a user name or password in its URL",
                consequence="every program on this machine could read it while helm runs",
                remedy="pull the chart once (`helm pull`) and give its 'path', or use 'oci' with `helm registry login`",
            )
        return self

    @model_validator(mode="after")
    def _exact_version(self) -> Self:
        if self.path and self.version:
            raise refuse(
                "has 'version' with 'path'",
                consequence="it would have no effect: the folder or archive has one version",
                remedy="remove 'version'",
            )
        if not self.path and not (self.version and _VERSION.fullmatch(self.version)):
            raise refuse(
                "needs an exact 'version': three numbers, no range",
                consequence="each run could use another version of the chart, so plans would be unreliable",
                remedy="write it as `version: 1.2.3`",
            )
        if self.kube_version and not _KUBE_VERSION.fullmatch(self.kube_version):
            raise refuse("'kubeVersion' must be a version of Kubernetes", remedy='write it as "1.31"')
        return self


class Kustomization(ConfigModel):
    """A kustomization whose rendered objects a workload declares."""

    path: str = Field(min_length=1, description="The folder with the kustomization, relative to the project's folder.")
