"""Values that random templates and overrides have in common."""

from __future__ import annotations

import json
from typing import Any

Object = dict[str, Any]

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGES = (
    "nginx",
    "nginx:1.27",
    "team/app:v1",
    "localhost/app",
    "registry.example/team/app:v1",
    "registry.example:5000/team/app",
    f"registry.example/team/app@{A}",
    f"registry.example/team/app:v1@{A}",
    f"app:v1@{A}",
    "Upper.example/app:v1",
)
VALUES = {
    "Registry": ("mirror.example", "localhost:5000", "mirror.example/proxy", "", "-x"),
    "Repository": ("other/app", "app", "", "-x", "/sub"),
    "Tag": ("v2", B, f"v2@{B}", "-debug", "not a tag", ""),
}
NATIVE_PODS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
JSON_TEXT = ('{"log": {"level": "info", "sinks": ["a", "b"]}, "port": 8080, "rate": 1.5}', '["a", {"b": 1}]', "{oops")
YAML_TEXT = (
    "# a comment\nserver:\n  port: 8080\n  hosts: [a, b]\nenabled: yes\nversion: '1.10'\nnote: |\n  two\n  lines\n",
    "- name: a\n- name: b\n  when: 2024-01-01\n",
    "log:\n  level: info\nempty:\ntext: 'on'\nlong: " + "word " * 30 + "\n",
    "a: [",
)
BROKEN = 0.1
"""The probability of a text that can't be parsed."""


def compact(value: Any) -> str:
    """Return JSON in its shortest form, keys in order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
