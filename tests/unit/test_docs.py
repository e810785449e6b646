"""Every page of the documentation: its commands parse, its fragments validate, and the files and names in it exist.

Links: tests/unit/test_docs_links.py.
"""

import ast
import contextlib
import importlib
import io
import json
import re
import tomllib
from functools import cache

import pytest
import yaml

from flotilla.cli.ending import UsageError
from flotilla.cli.main import build_parser
from flotilla.kube.yaml import load_all
from flotilla.stack.load import parse_fleet
from flotilla.stack.stackfile import placeholders
from tests.docs import REPOSITORY, blocks, commands, flotilla_commands, pages, spans, typed

PAGES = pages()
TEMPLATE = REPOSITORY / "flotilla" / "scaffold" / "template"


def every(*languages):
    found = [block for page in PAGES for block in blocks(page) if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=str)


def each_page():
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


# -- commands ----------------------------------------------------------------------------------------------------------


@cache
def parser():
    return build_parser()


def parse(arguments):
    """Return why the command's parser refuses the arguments; an empty text if it accepts them."""
    if arguments in ([], ["..."]):
        return ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parser().parse_args([word for word in arguments if word != "..."])
    except UsageError as error:
        return str(error)
    except SystemExit:
        return ""  # --help, --version
    return ""


@every("sh", "console", "")
def test_commands_in_code_blocks_are_accepted_by_the_parser(block):
    found = [arguments for line in typed(block) for arguments in flotilla_commands(line)]
    assert {" ".join(arguments): parse(arguments) for arguments in found if parse(arguments)} == {}


@each_page()
def test_commands_in_the_text_are_accepted_by_the_parser(page):
    """Required arguments may be missing in the text: `flotilla abandon`."""
    for span in spans(page):
        if not re.match(r"(\S+ )*flotilla \w", span) or span.startswith("make"):
            continue
        for arguments in flotilla_commands(span.replace("<stack>", "x").replace("OBJECT", "Kind/x")):
            given = [*arguments, *("x" for _ in range(3))]
            why = [parse(given[: len(arguments) + more]) for more in range(4)]
            assert "" in why or why[0].startswith("the following arguments are required: VERB"), (span, why[0])


@each_page()
def test_code_blocks_with_commands_have_a_language(page):
    """A block without a language isn't checked. Commands belong in `sh` blocks, or in `console` blocks after a `$`."""
    for block in blocks(page):
        assert block.language or not re.search(r"^(\$ )?(flotilla|\.venv/bin/flotilla) ", block.text, re.MULTILINE), (
            block
        )


# -- stack files -------------------------------------------------------------------------------------------------------

LABELS = {
    "member1": {"site": "edge", "tier": "web"},
    "member2": {"arch": "arm64", "site": "datacentre"},
    "member3": {"tier": "canary"},
    "eu": {"env": "prod"},
    "us": {"env": "prod", "site": "datacentre"},
    "edge": {},
    "staging": {},
}
MEMBERS = [
    {
        "name": name,
        "kubeconfig": f"{name}.yaml",
        "labels": labels,
        "provider": "aws",
        "region": "us" if name == "us" else "eu",
    }
    for name, labels in LABELS.items()
]
BASE = {
    "controlPlane": {"kubeconfig": "karmada.yaml", "version": "1.18.2"},
    "members": MEMBERS,
    "workloads": [{"name": "nginx", "image": "nginx:1.27", "placement": {}}],
}


def sections_of(document, place):
    """Return the stack file sections that a fragment has or is part of."""
    if isinstance(document, list):
        return {place or "workloads": document}
    if "config" in document:
        document = document["config"]
    if all(key.startswith("flotilla:") for key in document):
        return {key.removeprefix("flotilla:"): value for key, value in document.items()}
    if set(document) <= set(BASE):
        return document
    key, _, _ = (place or "workloads[0]").partition("[")
    first = BASE[key][0]
    return {key: [{**first, **document}, *BASE[key][1:]] if key == "workloads" else [{**first, **document}]}


@every("yaml")
def test_fragments_of_stack_files_validate(block):
    if block.test == "other":
        yaml.safe_load(block.text)
        return
    documents = load_all(block.text)
    if any("kind" in one or "resources" in one for one in documents if isinstance(one, dict)):
        assert all(one.get("apiVersion") or "resources" in one for one in documents)
        return
    (document,) = documents
    sections = {**BASE, **sections_of(document, block.test)}
    if "members" not in sections_of(document, block.test) and "membersFrom" in sections:
        del sections["members"]
    parse_fleet(placeholders(sections), origin=str(block), files=False, as_written=True)


@every("json")
def test_json_blocks_parse(block):
    json.loads(block.text)


@every("toml")
def test_toml_blocks_parse(block):
    tomllib.loads(block.text)


# -- Python ------------------------------------------------------------------------------------------------------------


@every("python")
def test_python_blocks_compile_and_their_imports_and_attributes_exist(block):
    """Imports must resolve, and so must attributes of imported names: `Layer.MEMBERS`."""
    tree = compile(block.text, str(block), "exec", ast.PyCF_ONLY_AST)
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {name.name: importlib.import_module(name.name) for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            # The wheel has the repository's components under another name, beside the project's own.
            module = importlib.import_module(node.module.removeprefix("flotilla_project."))
            known |= {name.name: getattr(module, name.name) for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            assert hasattr(known[node.value.id], node.attr), ast.unparse(node)


# -- names and paths ---------------------------------------------------------------------------------------------------

OF_A_READER = re.compile(
    r"stacks/Pulumi\.(prod|mine|sandbox)\.yaml|.*[*<>].*|tests/test_stack\.py|policies/rules/own\.py"
)
IN_THE_REPOSITORY = re.compile(r"(flotilla|docs|tests|ci|components|policies|stacks|\.github)/[\w./*<>-]+")


@each_page()
def test_files_named_in_the_documentation_exist(page):
    named = {span for span in spans(page) if IN_THE_REPOSITORY.fullmatch(span) and not OF_A_READER.fullmatch(span)}
    missing = {name for name in named if not (REPOSITORY / name).exists() and not (TEMPLATE / name).exists()}
    assert missing == set()


# -- messages ----------------------------------------------------------------------------------------------------------

VARIES = re.compile(
    r"\.\.\.|: |[;,()…?!→~\"]|  |\d+|https?\S*|'[^']*'|\S*/\S*|"
    r"\b(?:a|b|x|member\d?|Works?|copies|web|nginx|edge|staging|prod|alice|host|process|shop|all|selects?|replicas?|Cluster\w*|Deployment|"
    r"ConfigMap|PropagationPolicy|Plan for stack)\b"
)


@cache
def sources():
    """Return the code with adjacent string literals joined."""
    files = [file.read_text() for folder in ("flotilla", "components") for file in (REPOSITORY / folder).rglob("*.py")]
    return re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(files))


OF_OTHERS = {"cluster is not reachable", "the client connection is closing"}
"""Messages of Karmada and of Pulumi's provider."""


def is_known(text):
    """Return whether a part of a quoted message is in the code.

    Also return True if no part is long enough to be searched for.
    """
    parts = [part.strip(" :.") for part in VARIES.split(text)]
    parts = [part for part in parts if part.count(" ") > 1]
    return not parts or any(part in sources() or part in OF_OTHERS for part in parts)


GUIDES = [page for page in PAGES if page.parent == REPOSITORY / "docs" / "guides"]
NO_MESSAGE = re.compile(
    r"(flotilla|pulumi|kubectl|karmadactl|gh|podman|sops|helm|uvx) |[{\[]|\w+: [{\[]|--|karmada \w|\(sum"
)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_quoted_messages_exist_in_the_code(page):
    """At least one constant part of each message must be a text of the code."""
    quoted = [span for span in spans(page) if span.count(" ") > 2 and not NO_MESSAGE.match(span)]
    for block in blocks(page):
        if block.language in ("", "text") or block.test == "not run":
            quoted += [line.strip() for command in commands(block) for line in command.shown]
            quoted += [] if block.test == "not run" else [line.strip() for line in block.text.splitlines()]
    assert [text for text in quoted if not is_known(text)] == []


def test_messages_of_the_troubleshooting_guide_exist_in_the_code():
    guide = (REPOSITORY / "docs" / "guides" / "when-something-breaks.md").read_text()
    table = guide.partition("| you see |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    assert [span for row in rows for span in re.findall(r"`([^`]+)`", row) if not is_known(span)] == []
