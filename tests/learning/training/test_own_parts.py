"""Bounds and critics of a user's own: from Python and from the command line, recorded as what they are."""

import json
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
import yaml
from lightning import Callback
from lightning.pytorch.loggers import CSVLogger

from infomax.cli import main
from infomax.estimation.bounds import nwj
from infomax.estimation.critics import Bilinear
from infomax.learning.encoders.config import AMDIMEncoderConfig, DIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.table import METHODS
from infomax.learning.objectives.choices import BOUNDS, register_bound
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.recipes import RECIPES, recipe_named
from infomax.learning.training.run import Run
from infomax.registry import Registry, own_parts

SMALL = AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)
PARTS = """
def tight(scores):
    return scores.diagonal().mean() - scores.exp().mean()


def bilinear(dim_x, dim_y, num_units):
    from infomax.estimation.critics import Bilinear

    return Bilinear(dim_x, dim_y)
"""


def halved(scores):
    """A bound at the top of a module."""
    return nwj(scores) / 2


@pytest.fixture
def recipe():
    made = recipe_named("amdim-digits")
    return replace(made, method=replace(made.method, encoder=SMALL), train=replace(made.train, batch_size=8))


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A module of one's own in the current folder."""
    (tmp_path / "my_parts.py").write_text(PARTS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "my_parts.py"
    sys.modules.pop("my_parts", None)
    BOUNDS._own.clear()


def test_a_function_is_recorded_by_its_place(recipe, tmp_path):
    recipe = replace(recipe, method=replace(recipe.method, bound=halved))
    recipe = replace(recipe, train=recipe.train.with_budget(steps=2))
    run = pretrain(recipe, recipe.load(), tmp_path / "run", quiet=True)
    place = f"{__name__}:halved"
    assert yaml.safe_load(run.recipe.read_text())["method"]["bound"] == place
    assert BOUNDS[place] is halved and run.read_recipe() == recipe_of(run, place)
    record = run.read_environment()["parts"]["method.bound"]
    assert (record["module"], record["name"]) == (__name__, "halved") and len(record["sha256"]) == 64
    assert "text" not in record


def recipe_of(run, place):
    found = run.read_recipe()
    return replace(found, method=replace(found.method, bound=place))


def test_from_the_command_line(parts, capsys):
    tiny = ["--steps", "4", "--batch-size", "8", "--checkpoint-steps", "2", "--train.precision", "float32"]
    command = ["pretrain", "dim-digits", "--bound", "my_parts:tight", "--critic", "my_parts:bilinear", *tiny]
    assert main([*command, "--out", "run"]) == 0
    run = Run("run")
    saved = yaml.safe_load(run.recipe.read_text())["method"]
    assert (saved["bound"], saved["critic"]) == ("my_parts:tight", "my_parts:bilinear")
    text = PARTS.strip().split("\n\n\n")[0] + "\n"
    assert run.read_environment()["parts"]["method.bound"]["sha256"] == sha256(text.encode()).hexdigest()
    capsys.readouterr()
    parts.unlink()
    assert main(["embed", "run", "--data", "digits", "--split", "test", "--out", "f.npy"]) == 0
    sys.modules.pop("my_parts")
    BOUNDS._own.clear()
    capsys.readouterr()
    assert main(["pretrain", "--resume", "run", "--steps", "2"]) == 2
    assert "bound: no module 'my_parts' is installed or lies in" in capsys.readouterr().err
    parts.write_text(PARTS.replace("exp()", "exp().square()"))
    assert main(["pretrain", "--resume", "run", "--steps", "2"]) == 0
    said = "method.bound: my_parts:tight has changed since the run began; from here on it is the new one"
    assert said in " ".join(capsys.readouterr().err.split())
    environment = run.read_environment()
    assert (
        environment["parts"]["method.bound"]["sha256"]
        != environment["parts_before"][0]["method.bound"]["sha256"]
    )


def test_names_and_places():
    assert DIMConfig(bound=nwj).bound == "nwj"
    for config in (AMDIMConfig(bound="nwj"), AMDIMConfig()):
        assert own_parts(config, config.choices) == {}
    register_bound("halved", halved)
    try:
        assert AMDIMConfig(bound=halved).bound == "halved"
        assert BOUNDS.record("halved")["module"] == __name__
        with pytest.raises(ValueError, match="there is a bound 'halved' already"):
            register_bound("halved", nwj)
    finally:
        BOUNDS._entries.pop("halved")
    with pytest.raises(
        ValueError, match=r"no bound 'nwk'; did you mean nwj\?; package\.module:function names"
    ):
        DIMConfig(bound="nwk")
    with pytest.raises(ValueError, match="expected a function or class with a name at the top of a module"):
        AMDIMConfig(bound=lambda scores: scores.mean())
    with pytest.raises(
        ValueError, match="a mixture predicts by its own log-probability, got num_components 2"
    ):
        AMDIMConfig(bound="nwj", num_components=2)
    with pytest.raises(ValueError, match=r"bound: infomax\.errors has no 'refused'; did you mean refuse"):
        _ = BOUNDS["infomax.errors:refused"]


def test_what_a_notebook_defines_is_recorded_with_its_text(tmp_path, monkeypatch):
    """As `__main__`, where no module can be imported to find it again."""
    source = tmp_path / "cell.py"
    source.write_text("def mine(scores):\n    return scores.mean()\n")
    space = {"__name__": "__main__"}
    exec(compile(source.read_text(), str(source), "exec"), space)
    monkeypatch.setattr(sys.modules["__main__"], "mine", space["mine"], raising=False)
    config = AMDIMConfig(bound=space["mine"])
    assert config.bound == "__main__:mine"
    record = own_parts(config, config.choices)["bound"]
    assert record["text"] == source.read_text() and record["module"] == "__main__"
    BOUNDS._own.clear()
    monkeypatch.delattr(sys.modules["__main__"], "mine")
    with pytest.raises(ValueError, match="__main__ has no 'mine'; define it again there"):
        _ = BOUNDS["__main__:mine"]


def test_packages_give_entries(monkeypatch):
    from importlib.metadata import EntryPoint

    point = EntryPoint("half-nwj", f"{__name__}:halved", "infomax.bounds")
    monkeypatch.setattr("infomax.registry.entry_points", lambda group: [point])
    table = Registry("bound", {"nwj": nwj}, group="infomax.bounds")
    assert [*table] == ["half-nwj", "nwj"] and table["half-nwj"] is halved
    assert table.record("half-nwj")["name"] == "halved" and table.record("nwj") is None


def test_dim_trains_with_its_own_critic():
    made = DIMConfig(
        encoder=DIMEncoderConfig(num_hidden=8, width=4, num_units=4), critic=own_critic, critic_units=4
    )
    recipe = recipe_named("dim-digits")
    torch.manual_seed(0)
    learner = made.learner(recipe.views, recipe.optimizer, 0)
    assert any(isinstance(one, Bilinear) for one in learner.modules())


def own_critic(dim_x, dim_y, num_units):
    return Bilinear(dim_x, dim_y)


def test_resume_takes_the_function_again(recipe, tmp_path):
    recipe = replace(recipe, method=replace(recipe.method, bound=halved))
    recipe = replace(recipe, train=replace(recipe.train.with_budget(steps=2), checkpoint_steps=1))
    dataset = recipe.load()
    run = pretrain(recipe, dataset, tmp_path / "run", quiet=True)
    resume(run.read_recipe(), dataset, run, steps=1, quiet=True)
    assert json.loads(run.environment.read_text())["stages"][1]["last_step"] == 3


def speckled(images):
    """Return images with noise."""
    return images + 0.1 * torch.randn_like(images)


def halves(images):
    return images[..., ::2]


def test_views_take_a_policy_of_ones_own(recipe, tmp_path):
    views = replace(recipe.views, policy=speckled)
    recipe = replace(recipe, views=views, train=recipe.train.with_budget(steps=1))
    run = pretrain(recipe, recipe.load(), tmp_path / "run", quiet=True)
    assert yaml.safe_load(run.recipe.read_text())["views"]["policy"] == f"{__name__}:speckled"
    assert run.read_environment()["parts"]["views.policy"]["name"] == "speckled"
    images = torch.full((4, 1, 32, 32), 128, dtype=torch.uint8)
    plain = replace(views.without_augmentation(), policy=speckled)
    (view,) = plain.random_views(1)(images)
    assert 0.2 < view.std() < 0.4  # 0.1 of noise, divided by the std of the normalisation, 0.36
    with pytest.raises(ValueError, match=r"policy .*:halves must return images \[4, 1, 32, 32\], got \[4, 1"):
        replace(plain, policy=halves).random_views(1)(images)


def test_a_method_of_ones_own_is_named_where_it_is_missing(tmp_path, monkeypatch):
    """Evaluation does without it; training on says which module has it."""
    (tmp_path / "my_methods.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    try:
        command = ["pretrain", "my_methods:recipe", "--steps", "1", "--train.precision", "float32"]
        assert main([*command, "--out", "run"]) == 0
        run = Run("run")
        assert run.read_environment()["parts"]["method"]["name"] == "Mine"
        assert run.method == "MINE"
        METHODS._entries.pop("mine")
        with pytest.raises(
            ValueError, match=r"no method 'mine'.*made with my_methods:Mine; import that first"
        ):
            run.read_recipe()
        assert main(["embed", "run", "--data", "digits", "--split", "test", "--out", "f.npy"]) == 0
    finally:
        sys.modules.pop("my_methods", None)
        METHODS._entries.pop("mine", None)
        RECIPES._own.clear()


class Silent(Callback):
    """A callback of one's own."""


def test_callbacks_and_loggers_that_are_not_there_again_are_named(recipe, tmp_path, capsys):
    recipe = replace(recipe, train=replace(recipe.train.with_budget(steps=2), checkpoint_steps=1))
    dataset, own = recipe.load(), {"callbacks": [Silent()], "logger": CSVLogger(tmp_path)}
    run = pretrain(recipe, dataset, tmp_path / "run", quiet=True, **own)
    assert run.read_environment()["logger"]["name"] == "CSVLogger"
    for how, said in (({}, True), (own, False)):
        capsys.readouterr()
        resume(run.read_recipe(), dataset, run, steps=1, **how)
        assert (f"the run began with {__name__}:Silent" in capsys.readouterr().err) == said


def test_a_step_with_another_bound_is_not_captured(recipe):
    """It may ask the CPU, which a CUDA graph cannot hold."""
    for bound, expected in ((None, True), (halved, False)):
        method = replace(recipe.method, bound=bound)
        assert method.learner(recipe.views, recipe.optimizer, 0).capturable is expected


def test_a_recipe_of_few_fields_says_what_was_learned_from(tmp_path):
    (tmp_path / "recipe.yaml").write_text("data: photos\nmethod: {}\n")
    assert Run(tmp_path).pretraining == {"source": "photos", "split": "train"}
    assert Run(tmp_path).method == "AMDIM"


METHOD = '''
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from infomax.learning import AMDIMConfig, AMDIMEncoderConfig, recipe_named, register_method


@register_method
@dataclass(frozen=True)
class Mine(AMDIMConfig):
    """AMDIM of my own."""

    kind: ClassVar[str] = "mine"
    name: Literal["mine"] = "mine"
    penalty_weight: float = 0.01


def recipe():
    """Digits by my own method."""
    made = recipe_named("amdim-digits")
    method = Mine(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1))
    return replace(made, method=method, train=replace(made.train, batch_size=8))
'''
