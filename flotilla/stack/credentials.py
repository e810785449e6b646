"""Where a cluster's credentials come from."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from flotilla.stack.problems import ConfigModel, refuse


class Kubeconfig(ConfigModel):
    """A cluster's credentials: a file, the text itself as a Pulumi secret, or a cluster that a stack makes."""

    path: str | None = Field(default=None, description="File, relative to the project's folder; `~` is your home.")
    inline: SecretStr | None = Field(
        default=None,
        description="The kubeconfig's text; set it with `pulumi config set --secret --path`.",
    )
    context: str | None = Field(default=None, description="Context; the file's current one by default.")
    cluster: str | None = Field(default=None, description="A cluster of this stack's `clusters`, or of `stack`.")
    stack: str | None = Field(default=None, description="The stack whose `clusters` has the cluster.")

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
            raise refuse("has 'context' beside 'cluster'", remedy="drop it: such a kubeconfig has one context")
        if self.stack and not self.cluster:
            raise refuse("has 'stack' without 'cluster'", remedy="name one of that stack's clusters")
        return self
