"""A stack's configuration as the program receives it: the project's defaults, the stack file, secrets decrypted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotilla.errors import EngineError
from flotilla.kube import yaml
from flotilla.kube.reading import UnreadableFile, read_text
from flotilla.kube.secrecy import remember
from flotilla.stack.stackfile import read_stack_file

if TYPE_CHECKING:
    from flotilla.state.crypto import PassphraseCrypter

DISABLED_DEFAULTS = "pulumi:disable-default-providers"


@dataclass(frozen=True)
class Project:
    """The parts of the project file that the engine needs."""

    name: str
    folder: Path
    config_folder: Path
    settings: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Project:
        """Read `Pulumi.yaml`.

        Raises:
            EngineError: the file does not exist, or isn't a project file.
        """
        file = folder / "Pulumi.yaml"
        try:
            settings = yaml.load(read_text(file))
        except UnreadableFile as error:
            if not error.missing:
                raise
            raise EngineError(f"there is no Pulumi.yaml in {folder}", hint="run it in the project's folder") from None
        except yaml.YamlError as error:
            raise EngineError(f"{file}: not valid YAML: {error.message}") from None
        if not isinstance(settings, dict):
            raise EngineError(f"{file}: not a project file: it must be a mapping with `name` and `runtime`")
        name, config_folder = settings.get("name"), settings.get("stackConfigDir")
        if not isinstance(name, str) or not name:
            raise EngineError(f"{file}: `name` must be a text, the project's name", hint="add it, or quote it")
        if not isinstance(config_folder, str | None):
            raise EngineError(f"{file}: `stackConfigDir` must be a text, the folder of the stack files")
        if not isinstance(settings.get("config"), dict | None):
            raise EngineError(f"{file}: `config` must be a mapping of keys")
        return cls(name, folder, folder / (config_folder or "."), settings)

    def stack_file(self, stack: str) -> Path:
        """Return the path of a stack's file."""
        return self.config_folder / f"Pulumi.{stack}.yaml"


@dataclass(frozen=True)
class StackConfig:
    """A stack file's content, merged over the project's defaults."""

    values: dict[str, Any]
    salt: str | None

    @classmethod
    def load(cls, project: Project, stack: str, config_file: Path | None = None) -> StackConfig:
        """Read the stack file, or `config_file` instead; a stack without a file has only the project's defaults."""
        file = config_file or project.stack_file(stack)
        document = read_stack_file(file) if file.exists() else {}
        provider = document.get("secretsprovider")
        if provider not in (None, "passphrase"):
            raise EngineError(
                f"{file}: its secrets are encrypted by {provider!r}; the embedded engine knows only 'passphrase'",
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
        """Return the values as texts (JSON for objects), and the keys whose values are secrets."""
        texts, secret = {}, []
        for key, value in self.values.items():
            plain, is_secret = _decrypt(value, crypter)
            if plain is None:
                continue  # treated as absent
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
        try:
            found = yaml.from_json(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise EngineError(f"{DISABLED_DEFAULTS} must be a list of packages' names, such as [kubernetes]")
        return tuple(found)


def _decrypt(value: Any, crypter: PassphraseCrypter) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            if not isinstance(value["secure"], str):
                raise EngineError("a value `secure` of the stack's configuration is not text", hint="set it again")
            plain = crypter.decrypt(value["secure"])
            remember(plain)
            return plain, True
        pairs = {key: _decrypt(entry, crypter) for key, entry in value.items()}
        return {key: plain for key, (plain, _) in pairs.items()}, any(s for _, s in pairs.values())
    if isinstance(value, list):
        entries = [_decrypt(entry, crypter) for entry in value]
        return [plain for plain, _ in entries], any(s for _, s in entries)
    return value, False
