"""Credentials of a cluster."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from flotilla.stack.problems import ConfigModel, refuse


class Kubeconfig(ConfigModel):
    """A cluster's credentials: a file, the text itself as a Pulumi secret, or a cluster that a stack makes."""

    path: str | None = Field(
        default=None, description="Kubeconfig file, relative to the project's folder; `~` is your home directory."
    )
    inline: SecretStr | None = Field(
        default=None,
        description="The kubeconfig's text; set it with `pulumi config set --secret --path`.",
    )
    context: str | None = Field(default=None, description="Context to use; the file's current context by default.")
    cluster: str | None = Field(
        default=None, description="Name of a cluster in `clusters` of this stack, or of the stack that `stack` names."
    )
    stack: str | None = Field(default=None, description="The other stack whose `clusters` has the cluster.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [self.path, self.inline, self.cluster].count(None) != 2:  # noqa: PLR2004 - one of three is given
            raise refuse(
                "needs exactly one of 'path', 'inline' and 'cluster'",
                consequence="there would be no credentials, or two that may differ",
                remedy="keep one of them",
            )
        if self.cluster and self.context:
            raise refuse(
                "has 'context' beside 'cluster'", remedy="remove it: the kubeconfig of such a cluster has one context"
            )
        if self.stack and not self.cluster:
            raise refuse("has 'stack' without 'cluster'", remedy="name one of that stack's clusters")
        return self
