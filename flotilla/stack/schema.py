"""The JSON Schema of stack files, for editors: generated from the models, stored in stacks/fleet.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flotilla.stack.fleet import Fleet
from flotilla.stack.stackfile import PROJECT

SCHEMA_FILE = Path("stacks/fleet.schema.json")


def stack_file_schema() -> dict[str, Any]:
    """Return the schema of a whole stack file; it allows any keys of other projects and of Pulumi itself."""
    fleet = Fleet.model_json_schema(by_alias=True, mode="validation")
    definitions = fleet.pop("$defs")
    secret = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    source = definitions["Kubeconfig"]
    source["properties"]["inline"] = {
        "description": source["properties"]["inline"]["description"],
        "anyOf": [{"type": "string"}, {**secret, "additionalProperties": False}],
    }
    short = {"type": "string", "description": "Path of the file."}
    for owner, key in (("ControlPlane", "kubeconfig"), ("Member", "kubeconfig"), ("HelmControlPlane", "host")):
        field = definitions[owner]["properties"][key]
        reference = field.pop("$ref", None)
        field["anyOf"] = [short, *([{"$ref": reference}] if reference else field["anyOf"])]
    maintenance = definitions["Member"]["properties"]["maintenance"]
    maintenance["anyOf"] = [{"$ref": "#/$defs/MaintenanceMode"}, *maintenance["anyOf"]]
    workload = definitions["Workload"]
    workload["required"].remove("placement")  # policies can replace it
    workload["anyOf"] = [{"required": ["placement"]}, {"required": ["policies"]}]
    suspend = definitions["Workload"]["properties"]["suspend"]
    suspend["anyOf"] = [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]
    del definitions["Suspension"]
    readiness = definitions["Readiness"]
    word = readiness["properties"].pop("until")
    definitions["Readiness"] = {"anyOf": [{"description": word["description"], "$ref": "#/$defs/Until"}, readiness]}
    for name in ("OwnComponent", "OwnSource"):
        use = definitions[name]["properties"]["use"]
        alone = {"description": use["description"], "type": "string"}
        definitions[name] = {"anyOf": [alone, definitions[name]]}
    for part in ("stringData", "data"):  # a value in clear text is refused
        definitions["WorkloadSecret"]["properties"][part]["additionalProperties"] = {
            **secret,
            "additionalProperties": False,
        }
    key_of_etcd = definitions["ExternalEtcd"]["properties"]["key"]
    definitions["ExternalEtcd"]["properties"]["key"] = {
        "description": key_of_etcd["description"],
        "anyOf": [{"type": "string"}, {**secret, "additionalProperties": False}],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Flotilla stack file",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"{PROJECT}:{key}": value for key, value in fleet["properties"].items()},
                "required": [f"{PROJECT}:{key}" for key in fleet["required"]],
            }
        },
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema file's content."""
    return json.dumps(stack_file_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text())
