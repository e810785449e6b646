"""A resource that is a file, which either engine can create, update, replace, read and delete."""

import json
import time
from pathlib import Path

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from flotilla.providers.dynamic import register


class FileProvider(ResourceProvider):
    """Stores each resource as a JSON file. A change of `fixed` replaces it; `value: "fail"` fails.

    It fails after `seconds`, so that concurrent operations are complete by then.
    """

    serialize_as_secret_always = False

    def create(self, props):
        path = Path(props["folder"]) / f"{props['name']}.json"
        self._write(path, props)
        return CreateResult(id_=props["name"], outs={**_without_provider(props), "path": str(path)})

    def diff(self, _id, olds, news):
        keys = ("value", "fixed", "name", "secret", "folder")
        changed = [key for key in keys if olds.get(key) != news.get(key)]
        replaces = [key for key in changed if key in ("fixed", "name")]
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace="name" not in replaces)

    def update(self, _id, _olds, news):
        path = Path(news["folder"]) / f"{news['name']}.json"
        self._write(path, news)
        return UpdateResult(outs={**_without_provider(news), "path": str(path)})

    def delete(self, _id, props):
        (Path(props["folder"]) / f"{_id}.json").unlink(missing_ok=True)

    def read(self, id_, props):
        path = Path(props["folder"]) / f"{id_}.json"
        if not path.exists():
            return ReadResult("", {})
        return ReadResult(id_, {**props, **json.loads(path.read_text())})

    def _write(self, path, props):
        if props.get("value") == "fail":
            time.sleep(float(props.get("seconds", 0)))
            raise ValueError(f"{props['name']} can't be written")
        path.write_text(json.dumps(_without_provider(props), sort_keys=True))


def _without_provider(props):
    return {key: value for key, value in props.items() if key != "__provider"}


register("dynamic/test:File", FileProvider)


class FileResource(Resource, module="test", name="File"):
    path: pulumi.Output[str]
    fixed: pulumi.Output[str]

    def __init__(self, name, props, opts=None):
        super().__init__(FileProvider(), name, {"path": None, "name": name, **props}, opts)


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Group", name, None, opts)
