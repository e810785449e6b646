"""A stack's configuration as the program gets it: the project's defaults, the stack file, secrets decrypted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flotilla.errors import EngineError
from flotilla.kube.secrecy import remember
from flotilla.state.crypto import PassphraseCrypter

DISABLED_DEFAULTS = "pulumi:disable-default-providers"


@dataclass(frozen=True)
class Project:
    """The project file, as far as the engine needs it."""

    name: str
    folder: Path
    config_folder: Path
    settings: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Project:
        """Read `Pulumi.yaml`.

        Raises:
            EngineError: there is none.
        """
        try:
            settings = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        except FileNotFoundError:
            raise EngineError(f"there is no Pulumi.yaml in {folder}", hint="run it in the project's folder") from None
        return cls(settings["name"], folder, folder / (settings.get("stackConfigDir") or "."), settings)

    def stack_file(self, stack: str) -> Path:
        """Return where a stack's configuration is."""
        return self.config_folder / f"Pulumi.{stack}.yaml"


@dataclass(frozen=True)
class StackConfig:
    """A stack file's content, with the project's defaults under it."""

    values: dict[str, Any]
    salt: str | None

    @classmethod
    def load(cls, project: Project, stack: str, config_file: Path | None = None) -> StackConfig:
        """Read the stack file, or another in its place; a stack without one has the project's defaults only."""
        file = config_file or project.stack_file(stack)
        document = (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
        provider = document.get("secretsprovider")
        if provider not in (None, "passphrase"):
            raise EngineError(
                f"{file}: its secrets are under {provider!r}, the embedded engine knows 'passphrase'",
                hint="use --engine pulumi",
            )
        defaults = {}
        for key, declared in (project.settings.get("config") or {}).items():
            full = key if ":" in key else f"{project.name}:{key}"
            value = declared
            if isinstance(declared, dict):
                value = declared.get("value", declared.get("default"))
            if value is not None:
                defaults[full] = value
        return cls({**defaults, **(document.get("config") or {})}, document.get("encryptionsalt"))

    def decrypted(self, crypter: PassphraseCrypter) -> tuple[dict[str, str], list[str]]:
        """Return the values as texts (JSON for objects), and the keys that hold secrets."""
        texts, secret = {}, []
        for key, value in self.values.items():
            plain, is_secret = _decrypt(value, crypter)
            if isinstance(plain, bool):
                texts[key] = "true" if plain else "false"
            else:
                texts[key] = json.dumps(plain) if isinstance(plain, dict | list) else str(plain)
            if is_secret:
                secret.append(key)
        return texts, secret

    @property
    def disabled_defaults(self) -> tuple[str, ...]:
        """The packages whose default providers are disabled."""
        value = self.values.get(DISABLED_DEFAULTS) or []
        return tuple(json.loads(value) if isinstance(value, str) else value)


def _decrypt(value: Any, crypter: PassphraseCrypter) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            plain = crypter.decrypt(value["secure"])
            remember(plain)
            return plain, True
        pairs = {key: _decrypt(entry, crypter) for key, entry in value.items()}
        return {key: plain for key, (plain, _) in pairs.items()}, any(s for _, s in pairs.values())
    if isinstance(value, list):
        entries = [_decrypt(entry, crypter) for entry in value]
        return [plain for plain, _ in entries], any(s for _, s in entries)
    return value, False
