"""Recipes: plain functions, each of which returns the complete configuration of a run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from infomax.learning.encoders.config import ALEXNET, AMDIMEncoderConfig, DIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.scoring import AMDIM_SCALES
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.options import differences
from infomax.learning.views.images import CIFAR_VIEWS, IMAGENET128_VIEWS, PLAIN_VIEWS, STL_VIEWS, ViewsConfig
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig
from infomax.registry import Registry

DIM_OPTIMIZER = OptimizerConfig(lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0, warmup_steps=0, milestones=())
"""The optimizer of the Deep InfoMax paper: Adam at a constant rate."""

_SMALL = AMDIMConfig(encoder=AMDIMEncoderConfig(width=16, embedding_dim=64, depth=1))
_SMALL_CPU = AMDIMEncoderConfig(
    width=48, embedding_dim=256, depth=1, global_dim=512, whitened=True, max_fine_side=48, readout="mirrored"
)
_QUICK = OptimizerConfig(lr=3e-3, decay="cosine", warmup_steps=50)
_MUON = OptimizerConfig(rule="muon", lr=1e-2, weight_decay=0.0, decay="linear", warmup_steps=100)
_SCENE_VIEWS = ViewsConfig(
    crop_scale=(0.6, 1.0), flip=0.0, jitter=(0.2, 0.2, 0.0, 0.0), grayscale=0.0, mean=(0.41,), std=(0.27,)
)


def amdim_digits() -> Recipe:
    """The built-in 8×8 digits: half a minute on two cores."""
    return Recipe(
        data="digits",
        method=replace(_SMALL, clip=10.0),
        views=ViewsConfig(
            crop_scale=(0.5, 1.0),
            flip=0.0,
            jitter=(0.4, 0.4, 0.0, 0.0),
            grayscale=0.0,
            mean=(0.31,),
            std=(0.36,),
        ),
        optimizer=replace(_MUON, lr=5e-3, warmup_steps=50),
        train=TrainConfig(steps=500, batch_size=32),
    )


def amdim_cifar10() -> Recipe:
    """CIFAR-10, the large model of the paper, for a GPU."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=256, embedding_dim=2048, depth=10)),
        views=CIFAR_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=480),
    )


def amdim_cifar10_small() -> Recipe:
    """CIFAR-10, a small model with the paper's schedule, for a GPU."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=128, embedding_dim=1024, depth=8)),
        views=CIFAR_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=480),
    )


def amdim_cpu() -> Recipe:
    """Your own images, small or large, on two CPU cores."""
    return Recipe(
        method=AMDIMConfig(encoder=_SMALL_CPU, clip=10.0, scales=((1, 1), *AMDIM_SCALES)),
        views=ViewsConfig(
            stored_size=None, image_size=None, crop_scale=(0.4, 1.0), jitter=(0.4, 0.4, 0.4, 0.1)
        ),
        optimizer=_MUON,
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def amdim_stl10() -> Recipe:
    """STL-10, or photographs of its size, the paper's model, for a GPU."""
    return Recipe(
        split="unlabeled",
        method=AMDIMConfig(
            encoder=AMDIMEncoderConfig(width=192, embedding_dim=1536, depth=8, batch_norm=True)
        ),
        views=STL_VIEWS,
        train=TrainConfig(epochs=300.0, batch_size=256),
    )


def amdim_imagenet128() -> Recipe:
    """ImageNet, the large model of the paper, for several GPUs."""
    return Recipe(
        method=AMDIMConfig(
            encoder=AMDIMEncoderConfig(width=320, embedding_dim=2560, depth=10, batch_norm=True)
        ),
        views=IMAGENET128_VIEWS,
        optimizer=OptimizerConfig(milestones=(30 / 50, 45 / 50)),
        train=TrainConfig(epochs=50.0, batch_size=1008),
    )


def amdim_two_cameras() -> Recipe:
    """Built-in scenes, digits seen by two cameras: an encoder for each."""
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
    """Built-in scenes, a picture and a tone of each digit: an encoder each."""
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
    """Your own signals (.wav, .npy, columns of numbers), on two CPU cores."""
    return Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=32, embedding_dim=256, depth=2)),
        views=SignalViewsConfig(),
        optimizer=OptimizerConfig(lr=1e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def dim_digits() -> Recipe:
    """Deep InfoMax of the built-in digits: a minute or so on two cores."""
    return Recipe(
        data="digits",
        method=DIMConfig(encoder=DIMEncoderConfig(width=16, num_hidden=256), critic_units=128),
        views=replace(PLAIN_VIEWS, mean=(0.31,), std=(0.36,)),
        optimizer=replace(DIM_OPTIMIZER, lr=1e-3),
        train=TrainConfig(steps=1000, batch_size=64),
    )


def dim_cifar10() -> Recipe:
    """Deep InfoMax of CIFAR-10, local, as in its paper, for a GPU."""
    return Recipe(
        method=DIMConfig(),
        views=PLAIN_VIEWS,
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=1000.0, batch_size=64),
    )


def dim_cifar10_cpu() -> Recipe:
    """Deep InfoMax of CIFAR-10, on two CPU cores."""
    return Recipe(
        method=DIMConfig(critic_units=512),
        views=PLAIN_VIEWS,
        optimizer=replace(DIM_OPTIMIZER, lr=2e-3, decay="cosine", warmup_steps=100),
        train=TrainConfig(minutes=20.0, batch_size=128),
    )


def dim_stl10() -> Recipe:
    """Deep InfoMax of STL-10, local, as in its paper, for a GPU."""
    return Recipe(
        split="unlabeled",
        method=DIMConfig(encoder=ALEXNET),
        views=replace(PLAIN_VIEWS, stored_size=64, image_size=64),
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=200.0, batch_size=64),
    )


def dim_tinyimagenet() -> Recipe:
    """Deep InfoMax of Tiny ImageNet, local, as in its paper, for a GPU."""
    return Recipe(
        method=DIMConfig(encoder=ALEXNET),
        views=replace(PLAIN_VIEWS, stored_size=64, image_size=64),
        optimizer=DIM_OPTIMIZER,
        train=TrainConfig(epochs=1000.0, batch_size=64),
    )


RECIPES: Registry[Callable[[], Recipe]] = Registry(
    "recipe",
    {
        "amdim-digits": amdim_digits,
        "amdim-cpu": amdim_cpu,
        "amdim-cifar10": amdim_cifar10,
        "amdim-cifar10-small": amdim_cifar10_small,
        "amdim-stl10": amdim_stl10,
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
        "amdim-cifar10-cpu": amdim_cpu,
        "amdim-photos-cpu": amdim_cpu,
    },
    group="infomax.recipes",
)
"""Recipes by the name that the command line takes; the first line of a recipe's docstring describes it.

A recipe may have several names.

A function of one's own is one, too: ``infomax pretrain my_recipes:mine``.
"""


def recipe_named(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        ValueError: there is none; the nearest name is suggested.
    """
    return RECIPES.find(name, "pretrain")()


def replaced_settings(recipe: Recipe) -> dict[str, str]:
    """Return the settings of a recipe's encoder that no named recipe has: what an own encoder takes away.

    Of several named recipes the one that differs least is compared. The keys are dotted names, the values are
    as typed.

    Example:
        >>> digits = amdim_digits()
        >>> wide = replace(digits.method.encoder, width=99)
        >>> replaced_settings(replace(digits, method=replace(digits.method, encoder=wide)))
        {'method.encoder.width': '99'}
        >>> replaced_settings(digits)
        {}
    """
    own: Any = recipe.method
    named: list[Any] = [recipe_named(name).method for name in RECIPES]
    changed = [differences(own.encoder, one.encoder) for one in named if one.kind == own.kind]
    nearest = min(changed, key=len, default={})
    return {f"method.encoder.{name}": ours for name, (ours, _) in nearest.items()}
