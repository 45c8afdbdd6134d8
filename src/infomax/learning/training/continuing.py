"""Compare a run that goes on with what it began with, and say what has changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lightning import Callback
from lightning.pytorch.loggers import Logger

from infomax.errors import refuse
from infomax.learning.data.order.epochs import FIRST_ORDER
from infomax.learning.data.streaming.stream import Trainable
from infomax.learning.encoders.own import take_weights
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.table import METHODS
from infomax.learning.training.config import Recipe, one_budget
from infomax.learning.training.run import Run
from infomax.learning.training.trainer import Encoders, writes
from infomax.learning.views.table import VIEWS
from infomax.registry import own_parts, recorded


def check_longer(run: Run, more: Mapping[str, int | float], step: int) -> None:
    """Check that a run can be trained for longer: by one budget, from the checkpoint of a step."""
    one_budget("resume", more)
    refuse(
        step == 0,
        f"resume: {run.folder} holds no checkpoint to continue from; begin a new run; with --from it "
        "begins with the weights of this one",
    )


def lengthened(recipe: Recipe, step: int, num_more: int) -> Recipe:
    """Return the recipe with a further stage, of so many steps after `step`."""
    before = [one for one in recipe.optimizer.restarts if one < step]
    optimizer = replace(recipe.optimizer, restarts=(*before, step))
    return replace(recipe, optimizer=optimizer, train=recipe.train.with_budget(steps=step + num_more))


def check_same(run: Run, dataset: Trainable, encoder: Encoders | None) -> None:
    """Check that a run goes on with the images, and the kind of encoder, that it began with."""
    environment = run.read_environment()
    began_with = environment["images"]
    refuse(
        dataset.fingerprint != began_with,
        f"resume: the images are not those the run began with ({_as_many(len(dataset), environment)}); "
        "restore them, or give their place with --data; --from begins a new run with others",
    )
    own = environment.get("encoder")
    refuse(
        own and encoder is None,
        f"resume: the run began with an encoder of its own ({own and own['architecture']}); give it again, "
        "with --module package:function",
    )


def _as_many(num: int, environment: dict[str, Any]) -> str:
    """Return how many images there are and were, in words."""
    before = environment.get("num_images", num)
    return f"{num:,} now, {before:,} then" if num != before else f"{num:,} again, in part others"


def take_the_same_weights(run: Run, recipe: Recipe, learner: Learner) -> None:
    """Begin with the weights of another run, where a run did that was killed before its first checkpoint."""
    began = run.read_environment().get("began_from")
    if began is not None:
        now = take_weights(learner.encoders, recipe.views, began["folder"])
        refuse(
            now != began,
            f"resume: the weights in {began['folder']} are no longer those that the run began with; restore "
            "them, or begin a new run with --out",
        )


def order_of(run: Run, tell: Callable[[str], None]) -> str:
    """Return the name of the order that a run began with, and keeps; one that takes memory is said."""
    order = run.read_environment().get("order", FIRST_ORDER)
    if order == FIRST_ORDER:
        tell("images keep the order that the run began with, drawn anew for each epoch: 8 bytes an image")
    return order


def elsewhere(recipe: Recipe) -> tuple[Any, ...]:
    """Return what may change where a run goes on."""
    return recipe.data, recipe.train.devices, recipe.train.num_nodes


def tell_processes(now: int, before: int, tell: Callable[[str], None]) -> None:
    """Say that other processes go on than before, if they do: each of them draws numbers of its own."""
    if now != before:
        tell(f"processes: {now} now, {before} before; images keep their order, their views are drawn anew")


def tell_changes(
    run: Run,
    recipe: Recipe,
    callbacks: Sequence[Callback],
    logger: Logger | None,
    tell: Callable[[str], None],
) -> None:
    """Say what of a user's own is not what the run began with; record parts that have changed."""
    environment = run.read_environment()
    before, now = environment.get("parts", {}), parts_of_own(recipe)
    changed = [name for name in now if now[name]["sha256"] != before.get(name, {}).get("sha256")]
    for name in changed:
        tell(f"{name}: {_place(now[name])} has changed since the run began; from here on it is the new one")
    if changed and writes(recipe.train):
        run.note(parts={**before, **now}, parts_before=[*environment.get("parts_before", []), before])
    began_with = [*environment.get("callbacks", []), *filter(None, [environment.get("logger")])]
    given = [recorded(type(one)) for one in (*callbacks, *filter(None, [logger]))]
    missing = [_place(one) for one in began_with if _place(one) not in map(_place, given)]
    if missing:
        remedy = "infomax.resume takes callbacks and logger"
        tell(f"the run began with {', '.join(missing)}, not given now; {remedy}")


def parts_of_own(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the record of each part of a user's own, by its field in the recipe."""
    found = {f"method.{name}": one for name, one in own_parts(recipe.method, recipe.method.choices).items()}
    kinds = {"method": METHODS.record(recipe.method.kind), "views": VIEWS.record(recipe.views.kind)}
    found |= {name: one for name, one in kinds.items() if one is not None}
    for part in recipe.views.parts:
        found |= {f"views.{name}": one for name, one in own_parts(part, part.choices).items()}
    return found


def _place(record: Mapping[str, Any]) -> str:
    return f"{record['module']}:{record['name']}"
