"""A reader of the documentation: runs the commands of a page and compares the output with what the page shows."""

import re
import shlex
import subprocess
from pathlib import Path

import yaml

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.kube.yaml import load_all
from tests.docs import blocks, commands

_DIGEST = re.compile(r"\b[0-9a-f]{32}\b")
_VARYING = (
    (re.compile(r"https://(\d+\.){3}\d+:\d+"), "URL"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (_DIGEST, "DIGEST"),
    (re.compile(r"  \d+(\.\d+)? s$", re.MULTILINE), ""),  # only slow steps have one
    (re.compile(r"\b\d+(\.\d+)? s\b"), "N s"),
    (re.compile(r"\b(\d+[dhms])+\b"), "AGE"),
    (re.compile(r"-[0-9a-f]{8,10}-[a-z0-9]{5}\b"), "-POD"),
    (re.compile(r"\((\d+ objects in \d+ clusters)"), "(N objects"),
    (re.compile(r"\s+"), " "),
)
"""Parts of the output that differ between runs, and their replacements in the comparison."""
_SCALED = {"deployment": ("apps/v1", "Deployment"), "statefulset": ("apps/v1", "StatefulSet")}


def normal(text: str) -> str:
    """Return a text in one line, with the parts replaced that differ between runs."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text.strip()


def missing(shown: str, printed: str) -> bool:
    """Return whether a line of a page is missing in the output; `...` matches any text."""
    place = 0
    for part in filter(None, (normal(part) for part in shown.split("..."))):
        place = printed.find(part, place)
        if place < 0:
            return True
        place += len(part)
    return False


class Kubectl:
    """The few commands of kubectl that pages show, with the same requests; the real kubectl takes seconds to start."""

    MANAGER = "kubectl"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *arguments: str) -> str:
        """Run a command; return what it prints."""
        given = [word for argument in arguments for word in argument.split("=", 1)] if arguments else []
        options, words = {}, []
        while given:
            word = given.pop(0)
            if word.startswith("-"):
                options[word.lstrip("-")] = given.pop(0)
            else:
                words.append(word)
        file = Path(options["kubeconfig"]).expanduser()
        document = kubeconfigs.load((self._folder / file).read_text())
        connection = Connection(kubeconfigs.select(document, options.get("context")), name=file.stem)
        namespace = options.get("n", options.get("namespace", "default"))
        return getattr(self, f"_{words[0]}")(connection, namespace, words[1:], options)

    def _scale(self, connection, namespace, words, options):
        kind, _, name = words[0].partition("/")
        ref = ObjectRef(*_SCALED[kind], name, namespace)
        change = {"spec": {"replicas": int(options["replicas"])}}
        connection.patch(ref, change, query={"fieldManager": self.MANAGER})
        return f"{kind}.apps/{name} scaled\n"

    def _apply(self, connection, namespace, words, options):
        printed = []
        for one in load_all((self._folder / options["f"]).read_text()):
            ref = ref_of(connection.create(one, field_manager="kubectl-client-side-apply"))
            group = f".{ref.api_version.partition('/')[0]}" if "/" in ref.api_version else ""
            printed.append(f"{ref.kind.lower()}{group}/{ref.name} created\n")
        return "".join(printed)

    def _create(self, connection, namespace, words, options):
        assert words[0] == "namespace"
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": words[1]}}
        connection.create(space, field_manager="kubectl-create")
        return f"namespace/{words[1]} created\n"


class Reader:
    """Follows a page of the documentation in a project's folder.

    Args:
        folder: the project.
        flotilla: runs the command with arguments and an expected exit code; returns what it prints.
        stack: the name of the stack whose file the page's YAML changes.
    """

    def __init__(self, folder: Path, flotilla, *, stack: str) -> None:
        self.folder = folder
        self.stack_file = folder / "stacks" / f"Pulumi.{stack}.yaml"
        self.before = {}
        """Functions to call before a command, by the first words of the command."""
        self.programs = {"flotilla": flotilla, "kubectl": self._kubectl, "cd": lambda *_words, **_code: ""}
        self._digest = ""
        self.transcript = []

    def follow(self, page: Path) -> None:
        """Run the commands of a page and make its changes of files, in order."""
        for block in blocks(page):
            if block.test == "stack":
                self._change_stack(block)
            elif block.test == "stack as it is":
                shown, there = yaml.safe_load(block.text), yaml.safe_load(self.stack_file.read_text())["config"]
                assert shown == {key: there[key] for key in shown}
            elif block.test == "run":
                for command in commands(block):
                    self._run(block, command)
            elif named := re.match(r"# ([\w./-]+)\n", block.text):
                file = self.folder / named[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)

    def _change_stack(self, block) -> None:
        document = yaml.safe_load(self.stack_file.read_text())
        changed = yaml.safe_load(block.text)
        document["config"].update(changed.get("config", changed))
        self.stack_file.write_text(yaml.safe_dump(document, sort_keys=False))

    def _run(self, block, command) -> None:
        words = [self._digest if _DIGEST.fullmatch(word) else word for word in command.words]
        for first, do in self.before.items():
            if " ".join(words).startswith(first):
                do()
        program = self.programs.get(words[0], self._other)
        arguments = words[1:] if words[0] in self.programs else words
        text = program(*arguments, code=command.code)
        self.transcript.append(f"$ {shlex.join(words)}\n{text}")
        if found := re.search(r"plan digest ([0-9a-f]{32})", text):
            self._digest = found[1]
        printed = normal(text)
        absent = [line for line in command.shown if missing(line, printed)]
        shown = "\n".join(absent)
        assert absent == [], f"{block}: `{shlex.join(words)}` doesn't print\n{shown}\nas the page shows, but:\n{text}"

    def _kubectl(self, *arguments: str, code: int) -> str:
        assert code == 0
        return Kubectl(self.folder)(*arguments)

    def _other(self, *words: str, code: int) -> str:
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr
