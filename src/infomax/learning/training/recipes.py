"""Recipes: plain functions, each returning the complete configuration of one run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from infomax.learning.encoders.amdim import AMDIMEncoderConfig
from infomax.learning.encoders.dim import DIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.loop import Recipe, TrainConfig
from infomax.learning.views.contexts import KINDS_OF_VIEWS, AnyViewsConfig
from infomax.learning.views.images import CIFAR_VIEWS, IMAGENET128_VIEWS, PLAIN_VIEWS, STL_VIEWS, ViewsConfig
from infomax.learning.views.pairing import PairedViewsConfig, TemporalViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

DIM_OPTIMIZER = OptimizerConfig(lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0, warmup_steps=0, milestones=())
"""Of the Deep InfoMax paper: Adam at a constant rate."""

_SMALL = AMDIMConfig(encoder=AMDIMEncoderConfig(width=16, embedding_dim=64, depth=1))
_QUICK = OptimizerConfig(lr=3e-3, decay="cosine", warmup_steps=50)
_SCENE_VIEWS = ViewsConfig(
    crop_scale=(0.6, 1.0), flip=0.0, jitter=(0.2, 0.2, 0.0, 0.0), grayscale=0.0, mean=(0.41,), std=(0.27,)
)


def amdim_digits() -> Recipe:
    """The built-in 8×8 digits, scaled to 32 px: a minute or so on two cores."""
    return Recipe(
        data="digits",
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=16, embedding_dim=64, depth=1)),
        views=ViewsConfig(
            crop_scale=(0.5, 1.0),
            flip=0.0,
            jitter=(0.4, 0.4, 0.0, 0.0),
            grayscale=0.0,
            mean=(0.31,),
            std=(0.36,),
        ),
        optimizer=OptimizerConfig(lr=3e-3, decay="cosine", warmup_steps=50),
        train=TrainConfig(steps=1000, batch_size=32),
    )


def amdim_cifar10() -> Recipe:
    """CIFAR-10 at 32 px, the large model of the paper: 300 epochs, for a GPU."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=256, embedding_dim=2048, depth=10)),
        views=CIFAR_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=480),
    )


def amdim_cifar10_small() -> Recipe:
    """CIFAR-10 at 32 px, a small model with the paper's schedule: 300 epochs, for a GPU."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=128, embedding_dim=1024, depth=8)),
        views=CIFAR_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=480),
    )


def amdim_cifar10_cpu() -> Recipe:
    """CIFAR-10 at 32 px in 20 minutes on two CPU cores."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=32, embedding_dim=512, depth=2)),
        views=replace(CIFAR_VIEWS, crop_scale=(0.3, 1.0), translate=0, jitter=(0.4, 0.4, 0.4, 0.1)),
        optimizer=OptimizerConfig(lr=2e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def amdim_stl10() -> Recipe:
    """STL-10 (or photographs of about that size) at 64 px, the paper's model: 300 epochs, for a GPU."""
    return Recipe(
        split="unlabeled",
        method=AMDIMConfig(
            encoder=AMDIMEncoderConfig(width=192, embedding_dim=1536, depth=8, batch_norm=True)
        ),
        views=STL_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=256),
    )


def amdim_photos_cpu() -> Recipe:
    """A folder of photographs at 64 px in 20 minutes on two CPU cores."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=32, embedding_dim=512, depth=1)),
        views=replace(STL_VIEWS, jitter=(0.4, 0.4, 0.4, 0.1)),
        optimizer=OptimizerConfig(lr=1e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def amdim_imagenet128() -> Recipe:
    """ImageNet at 128 px, the large model of the paper: 50 epochs, for GPUs."""
    return Recipe(
        method=AMDIMConfig(
            encoder=AMDIMEncoderConfig(width=320, embedding_dim=2560, depth=10, batch_norm=True)
        ),
        views=IMAGENET128_VIEWS,
        optimizer=OptimizerConfig(milestones=(30 / 50, 45 / 50)),
        train=TrainConfig(epochs=50.0, batch_size=1008),
    )


def amdim_two_cameras() -> Recipe:
    """Built-in scenes, digits seen by two cameras: two columns of a table, an encoder each."""
    return Recipe(
        data="two-cameras",
        method=_SMALL,
        views=PairedViewsConfig(columns=("left", "right"), first=_SCENE_VIEWS, second=_SCENE_VIEWS),
        optimizer=_QUICK,
        train=TrainConfig(steps=1000, batch_size=64),
    )


def amdim_moving_digits() -> Recipe:
    """Built-in scenes, moving digits: two frames of a sequence."""
    return Recipe(
        data="moving-digits",
        column="frame",
        method=_SMALL,
        views=TemporalViewsConfig(lag=2, frames=_SCENE_VIEWS),
        optimizer=_QUICK,
        train=TrainConfig(steps=1000, batch_size=64),
    )


def amdim_picture_and_tone() -> Recipe:
    """Built-in scenes, a picture and a tone of each digit: two senses, an encoder each."""
    return Recipe(
        data="picture-and-tone",
        method=_SMALL,
        views=PairedViewsConfig(
            columns=("picture", "tone"),
            first=_SCENE_VIEWS,
            second=SignalViewsConfig(stored_length=512, length=448),
        ),
        optimizer=_QUICK,
        train=TrainConfig(steps=1000, batch_size=64),
    )


def amdim_signals() -> Recipe:
    """Your own signals (.wav, .npy, a column of numbers) of 1024 samples: 20 minutes on two CPU cores."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=32, embedding_dim=256, depth=2)),
        views=SignalViewsConfig(),
        optimizer=OptimizerConfig(lr=1e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def dim_digits() -> Recipe:
    """Deep InfoMax of the built-in 8×8 digits, scaled to 32 px: a minute or so on two cores."""
    return Recipe(
        data="digits",
        method=DIMConfig(encoder=DIMEncoderConfig(width=16, num_hidden=256), critic_units=128),
        views=replace(PLAIN_VIEWS, mean=(0.31,), std=(0.36,)),
        optimizer=replace(DIM_OPTIMIZER, lr=1e-3),
        train=TrainConfig(steps=1000, batch_size=64),
    )


def dim_cifar10() -> Recipe:
    """Deep InfoMax of CIFAR-10 at 32 px as in its paper, local: 1000 epochs, for a GPU."""
    return Recipe(
        method=DIMConfig(),
        views=PLAIN_VIEWS,
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=1000.0, batch_size=64),
    )


def dim_cifar10_cpu() -> Recipe:
    """Deep InfoMax of CIFAR-10 at 32 px in 20 minutes on two CPU cores."""
    return Recipe(
        method=DIMConfig(critic_units=512),
        views=PLAIN_VIEWS,
        optimizer=replace(DIM_OPTIMIZER, lr=2e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def dim_stl10() -> Recipe:
    """Deep InfoMax of STL-10 at 64 px as in its paper, local: 200 epochs, for a GPU."""
    return Recipe(
        split="unlabeled",
        method=DIMConfig(encoder=DIMEncoderConfig(architecture="alexnet", width=96, num_hidden=4096)),
        views=replace(PLAIN_VIEWS, stored_size=64, image_size=64),
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=200.0, batch_size=64),
    )


def dim_tinyimagenet() -> Recipe:
    """Deep InfoMax of Tiny ImageNet at 64 px as in its paper, local: 1000 epochs, for a GPU."""
    return Recipe(
        method=DIMConfig(encoder=DIMEncoderConfig(architecture="alexnet", width=96, num_hidden=4096)),
        views=replace(PLAIN_VIEWS, stored_size=64, image_size=64),
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=1000.0, batch_size=64),
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    "amdim-digits": amdim_digits,
    "amdim-cifar10": amdim_cifar10,
    "amdim-cifar10-small": amdim_cifar10_small,
    "amdim-cifar10-cpu": amdim_cifar10_cpu,
    "amdim-stl10": amdim_stl10,
    "amdim-photos-cpu": amdim_photos_cpu,
    "amdim-imagenet128": amdim_imagenet128,
    "amdim-two-cameras": amdim_two_cameras,
    "amdim-moving-digits": amdim_moving_digits,
    "amdim-picture-and-tone": amdim_picture_and_tone,
    "amdim-signals": amdim_signals,
    "dim-digits": dim_digits,
    "dim-cifar10": dim_cifar10,
    "dim-cifar10-cpu": dim_cifar10_cpu,
    "dim-stl10": dim_stl10,
    "dim-tinyimagenet": dim_tinyimagenet,
}


METHODS: Mapping[str, type[AMDIMConfig | DIMConfig]] = {"amdim": AMDIMConfig, "dim": DIMConfig}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: no such recipe; the nearest is suggested.
    """
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(RECIPES)}"
        raise ValueError(f"pretrain: no recipe {name!r}; {hint}")
    return RECIPES[name]()


def recipe_parser(default: Recipe, prog: str = "infomax") -> ArgumentParser:
    """A parser whose options are the recipe's fields, dotted, and whose defaults are those of `default`."""
    parser = ArgumentParser(prog=prog, exit_on_error=False, parser_mode="yaml")
    parser.add_argument("--config", action="config", help="YAML file; its values give way to options")
    parser.add_class_arguments(Recipe, skip={"method", "views"})
    parser.add_class_arguments(type(default.method), "method")
    parser.add_class_arguments(type(default.views), "views")
    parser.set_defaults(asdict(default))
    return parser


def recipe_from_options(default: Recipe, options: Sequence[str], prog: str = "infomax") -> Recipe:
    """`default`, changed by ``--config FILE`` and ``--dotted.option value``.

    Raises:
        ValueError: an unknown option (the nearest is suggested), or a value of the wrong type.
    """
    parser = recipe_parser(default, prog)
    try:
        return _instantiate(parser, parser.parse_args([_bracketed(option) for option in options]))
    except ArgumentError as error:
        message = _of_its_kind(" ".join(str(error).split()), default)
        raise ValueError(f"pretrain: {message}{_suggestion(message, default)}") from error


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """The recipe that ``recipe.yaml`` holds."""
    method = METHODS[values["method"].get("name", "amdim")]
    parser = recipe_parser(Recipe(method=method(), views=_views_like(values["views"])))
    return _instantiate(parser, parser.parse_object(dict(values)))


def _views_like(values: Mapping[str, Any]) -> AnyViewsConfig:
    """Views of the kind, and with parts of the kinds, that a mapping describes."""
    kind = KINDS_OF_VIEWS[values.get("name", "augmented")]
    names = [part for part in ("first", "second") if part in values]
    parts: dict[str, Any] = {name: _views_like(values[name]) for name in names}
    return kind(**parts)


def _bracketed(option: str) -> str:
    """``48,64`` as YAML's list ``[48,64]``: numbers need no brackets on the command line."""
    return re.sub(r"^(--[\w.]+=)?([-+.\de]+(?:,[-+.\de]+)+)$", r"\1[\2]", option)


def _instantiate(parser: ArgumentParser, namespace: Any) -> Recipe:
    fields = vars(parser.instantiate(namespace))
    fields.pop("config", None)
    return Recipe(**fields)


def _of_its_kind(message: str, default: Recipe) -> str:
    """What is wrong with an option of a view, for the kind that it is; jsonargparse tells of all kinds."""
    key = re.match(r'Parser key "views\.(first|second)":', message)
    if key is None:
        return message
    kind = type(getattr(default.views, key[1])).__name__
    found = re.search(rf"class_path '[\w.]+\.{kind}': (.+?)(?= - Problem| Given value|$)", message)
    return f"views.{key[1]}: {found[1]}" if found else message


def _suggestion(message: str, default: Recipe) -> str:
    """The known option nearest to an unknown one in the message, as a question."""
    options = list(_dotted(asdict(default)))
    endings = {
        ".".join(option.split(".")[i:]): option for option in options for i in range(option.count(".") + 1)
    }
    for word in re.findall(r"[a-z][\w.]+", message):
        near = get_close_matches(word, endings, n=1, cutoff=0.8)
        if near and word not in endings and not any(option.startswith(f"{word}.") for option in options):
            return f"; did you mean --{endings[near[0]]}?"
    return "; --dry-run shows all options"


def _dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + key
