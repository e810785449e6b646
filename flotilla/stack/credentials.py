"""Credentials of a cluster."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from flotilla.stack.problems import ConfigModel, refuse


class Kubeconfig(ConfigModel):
    """The credentials of a cluster: a file, the text as a secret, or a cluster that a stack creates.

    A path alone stands for `path`. Set a text as a secret with `pulumi config set --secret --path
    'flotilla:members[0].kubeconfig.inline' -- "$(cat FILE)"`.
    """

    path: str | None = Field(default=None, description="The file, relative to the project's folder; `~` is your home.")
    inline: SecretStr | None = Field(
        default=None,
        description="The text of the kubeconfig. Set it with `pulumi config set --secret --path`.",
    )
    context: str | None = Field(default=None, description="The context. Default: the current one of the file.")
    cluster: str | None = Field(
        default=None, description="Name of a cluster under `clusters`, of this stack or of `stack`."
    )
    stack: str | None = Field(
        default=None, description="The stack whose `clusters` has the cluster. Default: this stack."
    )

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
