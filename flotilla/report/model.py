"""The parts of any report: facts at the top, a picture, then sections of items that can be opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from flotilla.report.graph import SYMBOLS, Graph, State


@dataclass(frozen=True)
class Fact:
    """A figure of the summary."""

    label: str
    value: str
    state: State = State.OK


@dataclass(frozen=True)
class Row:
    """A line of an item: a name with a value, or a field with its values before and after."""

    name: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Item:
    """One cluster, workload, object or finding."""

    title: str
    state: State
    summary: str = ""
    rows: tuple[Row, ...] = ()
    text: str = ""
    word: str = ""
    """The word that is shown for the state, such as ready, Healthy or create; if empty, the state itself."""

    @property
    def symbol(self) -> str:
        """The symbol of the state, for readers who don't see its colour."""
        return SYMBOLS[self.state]


@dataclass(frozen=True)
class Section:
    """Items of one kind."""

    title: str
    items: tuple[Item, ...]
    before: str = ""
    """The heading of the values before; empty if the rows are names with values."""
    after: str = ""
    empty: str = "nothing"
    """The text that is shown if there are no items."""


@dataclass(frozen=True)
class Report:
    """The whole page."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    graph: Graph | None = None
    notes: tuple[str, ...] = field(default=())
