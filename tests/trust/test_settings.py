"""Every number of a configuration has its range: what lies outside is refused when it is made, by name."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from infomax import estimation
from infomax.cli import main
from infomax.cli.commands import COMMANDS
from infomax.cli.main import read_command
from infomax.cli.options import options_in
from infomax.evaluation.finetuning.labels import LabelBudget
from infomax.evaluation.options import CleanOptions, DIMOptions, FinetuningConfig, PaperOptions
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.config import AMDIMEncoderConfig, DIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.methods.table import METHODS
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.objectives.scoring import Scoring
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import RECIPES, recipe_named
from infomax.learning.views.table import VIEWS
from infomax.ranges import NotEmpty, Ordered, Range, Share, Side, check_ranges, ranges_in

ESTIMATORS = ("AdaptivePartition", "Blocks", "CCA", "CCMI", "DifferenceOfEntropies", "EqualMassBins",
              "ExtrapolatedCritic", "FixedBins", "FromClassifier", "GaussianFlow", "JamesStein", "KSG",
              "KozachenkoLeonenko", "Latent", "LocalNonuniformity", "MixedKSG", "NSB", "NearRows", "Neural",
              "ResidualKSG", "Residuals", "Ross", "TelescopingRatios", "Training")  # fmt: skip
CONFIGS = (
    TrainConfig,
    OptimizerConfig,
    AMDIMEncoderConfig,
    DIMEncoderConfig,
    PriorConfig,
    Scoring,
    CleanOptions,
    PaperOptions,
    DIMOptions,
    FinetuningConfig,
    LabelBudget,
    *METHODS.values(),
    *VIEWS.values(),
    *(getattr(estimation, name) for name in ESTIMATORS),
    *COMMANDS.values(),
)
INFINITE = {(estimation.KozachenkoLeonenko, "norm")}
"""Numbers that may be infinite, which no range holds; the estimator checks them."""


def numbers_in(hint: Any, limits: tuple[Any, ...] = ()) -> Iterator[tuple[type, tuple[Any, ...]]]:
    """Yield the number types in a type, with the limits that stand around each."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from numbers_in(parts[0], (*limits, *hint.__metadata__))
    elif origin not in (None, Literal) and not callable_like(origin):
        for one in parts:
            yield from numbers_in(one)
    elif hint in (int, float):
        yield hint, limits


def callable_like(origin: Any) -> bool:
    return getattr(origin, "__name__", "") in ("Callable", "Mapping")


def hints_of(config: type) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


NUMBERS = [
    (config, one.name)
    for config in CONFIGS
    for one in fields(config)
    if [*numbers_in(hints_of(config)[one.name])] and (config, one.name) not in INFINITE
]
RANGED = [
    (config, name, limit)
    for config, name in NUMBERS
    for limit in dict.fromkeys(limit for _, limits in numbers_in(hints_of(config)[name]) for limit in limits)
]


@pytest.mark.parametrize(("config", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", one))
def test_every_number_of_every_configuration_has_a_range(config, name):
    for _, limits in numbers_in(hints_of(config)[name]):
        assert [one for one in limits if isinstance(one, Range)]


def outside(limit: Range, kind: type) -> st.SearchStrategy[Any]:
    """Draw numbers outside a range, such that are not finite among them."""
    low, high = max(limit.least, limit.above), min(limit.most, limit.below)
    drawn: list[st.SearchStrategy[Any]] = []
    if kind is int:
        drawn += [st.integers(max_value=int(low) - 1)] if math.isfinite(low) else []
        drawn += [st.integers(min_value=int(high) + 1)] if math.isfinite(high) else []
        return st.one_of(*drawn)
    if math.isfinite(low):
        drawn.append(st.floats(max_value=low, exclude_max=math.isfinite(limit.least)))
    if math.isfinite(high):
        drawn.append(st.floats(min_value=high, exclude_min=math.isfinite(limit.most)))
    return st.one_of(*drawn, st.sampled_from([math.nan, math.inf, -math.inf]))


def has_several(hint: Any) -> bool:
    """Return whether a type is of several values: a tuple, also with ranges or beside None."""
    if get_origin(hint) is Annotated:
        return has_several(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return all(one is NoneType or has_several(one) for one in get_args(hint))
    return get_origin(hint) is tuple


def with_bad_part(hint: Any, bad: Any, limit: Range, good: Any) -> Any:
    """Return a value of a type in which a number with this limit is bad: itself, or one of several."""
    if not isinstance(good, tuple) or not good:
        return (bad,) if has_several(hint) else bad
    return (*good[:-1], (*good[-1][:-1], bad) if isinstance(good[-1], tuple) else bad)


def named_in(hint: Any) -> tuple[Any, ...]:
    """Return the values that a type names, beside ranges."""
    parts = get_args(hint)
    return parts if get_origin(hint) is Literal else sum(map(named_in, parts), ())


def line_with(command: type, name: str, value: Any) -> list[str]:
    """Return a command line in which an option has a value."""
    (word,) = [word for word, one in COMMANDS.items() if one is command]
    typed = options_in(command)
    places = ["x" for flag, how in typed.items() if not flag.startswith("-") and how.get("nargs") != "?"]
    needed = [f"{flag}=x" for flag, how in typed.items() if how.get("required")]
    (flag,) = [flag for flag, how in typed.items() if how.get("dest") == name]
    pair = get_origin(next(iter(get_args(hints_of(command)[name])), None)) is tuple
    return [word, *places, *needed, f"{flag}={value},{value}" if pair else f"{flag}={value}"]


@pytest.mark.parametrize(
    ("config", "name", "limit"), RANGED, ids=lambda one: str(getattr(one, "__name__", one))
)
@given(data=st.data())
@settings(max_examples=10, deadline=None, database=None, phases=[Phase.generate])
def test_a_number_outside_its_range_is_refused_by_name(config, name, limit, data):
    hint = hints_of(config)[name]
    kind = next(kind for kind, limits in numbers_in(hint) if limit in limits)
    bad = data.draw(outside(limit, kind).filter(lambda bad: bad not in named_in(hint)))
    if config in COMMANDS.values():
        with pytest.raises(ValueError, match=rf"^\w+: {name} must be "):
            read_command(line_with(config, name, bad))
        return
    made = config(per_class=50) if config is LabelBudget else config()
    value = with_bad_part(hint, bad, limit, getattr(made, name))
    with pytest.raises(ValueError, match=rf"^[\w ]+: {name} must be "):
        replace(made, **{"per_class": None, name: value} if config is LabelBudget else {name: value})


@pytest.mark.parametrize("name", [*RECIPES])
def test_recipes_lie_within_their_ranges(name):
    recipe = recipe_named(name)
    for part in (recipe.train, recipe.optimizer, recipe.method, recipe.views):
        check_ranges(part, "recipe")


ODD = {
    "--steps -1": "train: steps must be at least 1, got -1; null leaves it out",
    "--steps 0": "steps must be at least 1",
    "--checkpoint-steps 0": "checkpoint_steps must be at least 1, got 0; the default is 200",
    "--log-steps 0": "log_steps must be at least 1",
    "--epochs -3": "epochs must be above 0, got -3.0",
    "--minutes -1": "minutes must be above 0",
    "--views.crop_scale 2,1": "crop_scale must be above 0 and at most 1, got 2.0 in (2.0, 1.0)",
    "--views.crop_scale 0.9,0.1": "crop_scale must be in order, the lowest first, got (0.9, 0.1)",
    "--views.crop_ratio=-1,1": "crop_ratio must be above 0, got -1.0",
    "--warmup-steps -5": "warmup_steps must be at least 0",
    "--views.std [0]": "std must be above 0, got 0.0",
    "--depth 10000000": "depth must be from 1 to 1,000",
    "--accelerator warp": "accelerator must be one of auto",
    "--image-size 10000 --stored-size 16 --steps 1": "lower train.batch_size, views.image_size",
    "--embedding-dim 1000000 --width 1000000 --steps 1": "weights and the maps of 32 views",
    "--stored-size 100000": "choose a smaller size for them",
}


@pytest.mark.parametrize("options", ODD)
def test_the_command_refuses_odd_settings_in_a_line(options, tmp_path, capsys):
    assert main(["pretrain", "amdim-digits", "--out", str(tmp_path / "run"), *options.split()]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("infomax:")]
    assert ODD[options] in line
    assert not (tmp_path / "run").exists()


def test_sizes_in_the_description_of_an_encoder_take_no_memory(tmp_path):
    recipe = recipe_named("amdim-digits")
    small = replace(recipe.method, encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1))
    recipe = replace(recipe, method=small, train=TrainConfig(steps=1, batch_size=4))
    run = pretrain(
        recipe, load_images("digits", size=32, channels=1, progress=False), tmp_path / "a", quiet=True
    )
    path = run.folder / "encoder.json"
    written = json.loads(path.read_text())
    for part, values in {
        "arguments": {"image_size": 10_000},
        "views": {"image_size": 10_000, "stored_size": 10_000},
    }.items():
        path.write_text(json.dumps({**written, part: {**written[part], **values}}))
        with pytest.raises(ValueError, match=r"encoder\.json"):
            load_encoder(run.folder)


def test_ranges_stand_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["pretrain", "amdim-digits", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "probability of a horizontal flip (from 0 to 1)" in shown
    assert ranges_in(TrainConfig)["log_steps"] == "at least 1"
    assert ranges_in(Recipe) == {"stream_window": "at least 1"}


@dataclass
class Crop:
    """A configuration whose types nothing else checks."""

    scale: Any = 0.5
    sides: Any = (1, 2)


Crop.__annotations__ = {"scale": Share | None, "sides": Annotated[tuple[Side, ...], NotEmpty()]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": "0.5"}, "crop: scale must be a number or null, got '0.5'; the default is 0.5"),
        ({"scale": True}, "scale must be a number or null, got True"),
        ({"sides": 3}, "sides must be a list, got 3"),
        ({"sides": (1, 2.5)}, "sides must be an integer, got 2.5 in (1, 2.5)"),
        ({"sides": ()}, "sides must be one value or more, got ()"),
        ({"sides": (10**400,)}, "sides must be from 1 to 100,000, got 1000"),
    ],
)
def test_values_of_another_type_are_refused(values, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        check_ranges(Crop(**values), "crop")
    assert len(str(refused.value)) < 300


def test_the_order_of_values():
    assert (1, 1) in Ordered()
    assert (1, 1) not in Ordered(strictly=True)
    assert (2, 1) not in Ordered()
