"""Options of a command from the fields of its dataclass."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from infomax.cli.options import add_options, argument, option, options_in, options_of, read_options


def told(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Fast:
    speed: float = told(30.5, "in m/s; as high as 100%")
    num_wheels: int | None = told(4, "at least 3")
    colour: str = told("red", "of the car")
    engine: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Slow:
    num_wheels: int = told(2, "two are enough")
    stops: tuple[str, ...] | Mapping[str, Any] = told(("a", "b"), "on the way")


@dataclass(frozen=True)
class Drive:
    """Drive somewhere."""

    place: str = argument("where to")
    names: Sequence[str] = argument("of those who come along", default=(), nargs="*")
    from_: str | None = option("where from", default=None)
    seed: int = option("of the weather", default=0)
    at: tuple[int, int] | None = option("hour and minute", default=None, metavar="H,M")
    slowly: bool = option("take your time", default=False)
    ways: Mapping[str, Any] = options_of(lambda: {"fast": Fast, "slow": Slow})
    rest: Sequence[str] = ()


def read(*arguments):
    parser = ArgumentParser()
    add_options(parser, Drive)
    given, rest = parser.parse_known_args(arguments)
    return read_options(Drive, {**vars(given), "rest": rest})


def test_what_is_not_given_has_the_default_of_the_dataclass():
    assert read("home") == Drive(place="home")
    assert read("home").ways == {}


def test_values_have_the_types_of_the_fields():
    found = read(
        "home", "Ann", "Bo", "--from-", "work", "--seed", "3", "--at", "10,30", "--slowly",
        "--speed", "1e2", "--stops", "x,y", "--colour", "blue", "--new", "1",
    )  # fmt: skip
    ways = {"speed": 100.0, "stops": ("x", "y"), "colour": "blue"}
    expected = Drive(
        place="home", names=("Ann", "Bo"), from_="work", seed=3, at=(10, 30), slowly=True, ways=ways,
        rest=("--new", "1"),
    )  # fmt: skip
    assert found == expected


def test_zero_is_off_where_a_default_can_be_off():
    assert read("home", "--num-wheels", "0").ways == {"num_wheels": None}
    assert read("home", "--seed", "0").seed == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: place"),
        (["home", "--seed", "x"], "argument --seed: expected a value of type int, got 'x'"),
        (["home", "--at", "1,2,3"], "expected 2 values, with commas between, of type int, got '1,2,3'"),
        (["home", "--at", "1"], "expected 2 values, with commas between, of type int, got '1'"),
        (["home", "--at", "1,b"], "expected 2 values, with commas between, of type int, got '1,b'"),
    ],
)
def test_refusals(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_info:
        read(*arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_help_tells_the_defaults():
    parser = ArgumentParser()
    add_options(parser, Drive)
    text = " ".join(parser.format_help().split())
    assert "--seed N of the weather (default: 0)" in text
    assert "--speed X fast: in m/s; as high as 100% (default: 30.5)" in text
    assert "fast: at least 3 (default: 4); slow: two are enough (default: 2)" in text
    assert "--stops A,B slow: on the way (default: a,b)" in text
    assert "--from- FROM_ where from" in text
    assert "engine" not in text


def test_names_are_those_that_are_typed():
    flags = [*options_in(Drive)]
    assert flags[:6] == ["place", "names", "--from-", "--seed", "--at", "--slowly"]
    assert {"--speed", "--num-wheels", "--stops", "--colour"} == set(flags[6:])
