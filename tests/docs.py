"""Parse the pages of the documentation into blocks, links and headings, for the tests that check and run them.

Readers don't see the marks for tests. A comment on the line above a block says what tests do with it:

- `<!-- test: run -->`: its commands (lines with `$ `) are run on a fleet, and each prints the lines that follow it;
  `...` means any text, and a comment `# exit code N` means an exit code other than 0;
- `<!-- test: stack -->`: its sections replace those of the stack file;
- `<!-- test: stack as it is -->`: the stack file has these sections;
- `<!-- test: not run -->`: its commands are only parsed, although they look like a session;
- `<!-- test: workloads[0] -->`, `<!-- test: members -->`: the place of a fragment in a stack file;
- `<!-- test: other -->`: it is YAML of another kind of file.
"""

import itertools
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).parents[1]
_FENCE = re.compile(
    r"^(?:<!-- test: (?P<test>[^\n]*?) -->\n\n?)?(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
MARKDOWN = MarkdownIt("commonmark").enable("table")
_TEXTS = ("text", "code_inline")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SEPARATORS = ("&&", "||", "|", ";")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str
    test: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command that a reader types, and the lines of output that the page shows."""

    words: tuple[str, ...]
    shown: tuple[str, ...]
    code: int


def pages() -> list[Path]:
    """Return all pages for users of Flotilla."""
    return [
        *sorted((REPOSITORY / "docs").rglob("*.md")),
        *sorted(REPOSITORY.glob("README*.md")),
        REPOSITORY / "ci" / "README.md",
        REPOSITORY / "flotilla" / "scaffold" / "template" / "README.md",
    ]


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Return the fenced blocks of a page, without the indentation of an enclosing list."""
    content = page.read_text()
    return tuple(
        Block(
            page=page,
            line=content[: found.start()].count("\n") + 1,
            language=found["language"],
            text=re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            test=found["test"] or "",
        )
        for found in _FENCE.finditer(content)
    )


def prose(page: Path) -> str:
    """Return the text of a page without blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", page.read_text()))


def spans(page: Path) -> list[str]:
    """Return the texts between backticks in a page, each in one line."""
    return [re.sub(r"\s+", " ", span) for span in _SPAN.findall(prose(page))]


def inline(text: str) -> list[Token]:
    """Return the links, images and texts of a page, as a Markdown parser reads it."""
    return [child for token in MARKDOWN.parse(text) for child in token.children or ()]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and images."""
    targets = (child.attrs.get("href", child.attrs.get("src")) for child in inline(page.read_text(encoding="utf-8")))
    return [str(target) for target in targets if target is not None]


def headings(page: Path) -> list[tuple[int, str]]:
    """Return level and text of a page's headings."""
    return [
        (int(heading.tag[1:]), "".join(child.content for child in content.children or () if child.type in _TEXTS))
        for heading, content in itertools.pairwise(MARKDOWN.parse(page.read_text(encoding="utf-8")))
        if heading.type == "heading_open"
    ]


def commands(block: Block) -> list[Command]:
    """Return the commands of a session (`$ ...`), each with the lines of output that follow it."""
    found: list[Command] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            code = re.search(r"# exit code (\d+)", line)
            found.append(Command(tuple(shlex.split(line[2:], comments=True)), (), int(code[1]) if code else 0))
        elif found and line.strip():
            last = found[-1]
            found[-1] = Command(last.words, (*last.shown, line.strip()), last.code)
    return found


def typed(block: Block) -> list[str]:
    """Return the lines that a reader types: those after `$ ` in a session, or all lines of a script."""
    text = block.text.replace("\\\n", " ")
    if block.language == "sh":
        return text.splitlines()
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def flotilla_commands(line: str) -> list[list[str]]:
    """Return the arguments of each call of `flotilla` in a shell line."""
    line = re.sub(r"[\"']?\$\(([^)]*)\)[\"']?", r"; \1 ;", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    found: list[list[str]] = []
    current: list[str] = []
    for word in (*lexer, ";"):
        if word in _SEPARATORS:
            at = [place for place, one in enumerate(current) if one.rpartition("/")[2] == "flotilla"]
            found += [current[at[-1] + 1 :]] if at else []
            current = []
        else:
            current.append(word)
    return found
