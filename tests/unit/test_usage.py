"""The help of each verb: a description, and examples that the command itself can parse."""

import argparse
import re
import shlex

import pytest

from flotilla.cli.main import build_parser, main
from flotilla.cli.usage import USAGE


def verbs(parser, prefix=""):
    """Return every verb of a parser and of its verbs, with its own parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield f"{prefix}{name}", one
                yield from verbs(one, f"{prefix}{name} ")


PARSERS = dict(verbs(build_parser()))
EXAMPLES = [(verb, command) for verb, usage in USAGE.items() for command, _ in usage.examples]


def test_every_verb_has_a_description_and_an_example():
    assert list(USAGE) == list(PARSERS)
    assert [verb for verb, usage in USAGE.items() if not usage.examples or not usage.text.endswith(".")] == []


@pytest.mark.parametrize(("verb", "command"), EXAMPLES, ids=[command for _, command in EXAMPLES])
def test_every_example_is_of_its_verb_and_is_accepted_by_the_parser(verb, command, monkeypatch):
    monkeypatch.delenv("FLOTILLA_STACK", raising=False)
    words = shlex.split(command)
    assert words[0] == "flotilla"
    assert words[1 : 1 + len(verb.split())] == verb.split()
    assert callable(build_parser().parse_args(words[1:]).verb)


@pytest.mark.parametrize("verb", ["up", "sandbox up"])
def test_help_has_the_description_and_the_examples_unchanged(verb, capsys):
    with pytest.raises(SystemExit):
        main([*verb.split(), "--help"])
    text = capsys.readouterr().out
    usage = USAGE[verb]
    assert usage.text in re.sub(r"\s+", " ", text)
    assert f"Examples:\n  {usage.examples[0][0]}\n      {usage.examples[0][1]}\n" in text
    assert text.endswith("\n")


@pytest.mark.parametrize("verb", USAGE)
def test_every_option_has_a_help_text(verb):
    assert [action.dest for action in PARSERS[verb]._actions if not action.help and action.choices is None] == []
