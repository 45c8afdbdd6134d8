"""Loggers of Lightning by name: in recipes, on the command line and in earlier recipes; what each writes."""

import csv
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger

from infomax.errors import MissingExtra
from infomax.learning import (
    AMDIMConfig,
    AMDIMEncoderConfig,
    Dataset,
    Recipe,
    TrainConfig,
    ViewsConfig,
    pretrain,
)
from infomax.learning.training import trainer
from infomax.learning.training.options import recipe_from_mapping, recipe_from_options
from infomax.learning.training.run import Run, as_yaml

VIEWS = ViewsConfig(
    stored_size=16, image_size=16, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.5,), std=(0.3,)
)
TRAIN = TrainConfig(steps=4, batch_size=8, log_steps=2, accelerator="cpu", precision="float32")
RECIPE = Recipe(method=AMDIMConfig(encoder=AMDIMEncoderConfig(4, 8, 1)), views=VIEWS, train=TRAIN)


def make_images(num=16):
    values = np.random.default_rng(0).integers(0, 256, (num, 16, 16, 1), np.uint8)
    return Dataset(values, np.full(num, -1), [str(row) for row in range(num)], ())


def trained(out, *loggers):
    recipe = replace(RECIPE, train=replace(TRAIN, loggers=loggers))
    return pretrain(recipe, make_images(), out, quiet=True)


def test_rows_and_recipe_go_to_every_logger(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained(tmp_path / "run", "csv", "tensorboard")
    with run.metrics.open() as file:
        expected = [float(row["value"]) for row in csv.DictReader(file)]
    with (run.folder / "csv" / "version_0" / "metrics.csv").open() as file:
        rows = [*csv.DictReader(file)]
    np.testing.assert_allclose([float(row["value"]) for row in rows], expected, rtol=1e-6)
    assert [row["step"] for row in rows] == ["2", "4"]
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    values = [event.value for event in events.Scalars("value")]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    settings = yaml.safe_load((run.folder / "csv" / "version_0" / "hparams.yaml").read_text())
    assert settings["method"] == run.read_settings()["method"]
    assert run.read_recipe().train.loggers == ("csv", "tensorboard")


def test_names_on_the_command_line_and_in_yaml(tmp_path):
    for options in (["--train.loggers", "csv,wandb"], ["--loggers=csv,wandb"], ["--loggers", "[csv, wandb]"]):
        assert recipe_from_options(RECIPE, options).train.loggers == ("csv", "wandb")
    assert recipe_from_options(RECIPE, ["--loggers", "csv"]).train.loggers == ("csv",)
    chosen = replace(RECIPE, train=replace(TRAIN, loggers=("mlflow",)))
    assert recipe_from_mapping(yaml.safe_load(as_yaml(chosen))) == chosen
    with pytest.raises(ValueError, match=r"pretrain: .*loggers.*csw"):
        recipe_from_options(RECIPE, ["--loggers", "csw"])


def test_the_earlier_field_is_read():
    settings = yaml.safe_load(as_yaml(RECIPE))
    del settings["train"]["loggers"]
    settings["train"]["tensorboard"] = True
    assert recipe_from_mapping(settings).train.loggers == ("tensorboard",)
    assert recipe_from_options(RECIPE, ["--train.tensorboard", "true"]).train.loggers == ("tensorboard",)
    both = TrainConfig(steps=4, tensorboard=True, loggers=("csv", "tensorboard"))
    assert (both.loggers, both.tensorboard) == (("csv", "tensorboard"), False)


@pytest.mark.parametrize(
    ("name", "install"),
    [("wandb", r"'infomax\[wandb\]'"), ("mlflow", "'mlflow'"), ("tensorboard", "'infomax")],
)
def test_what_is_not_installed_is_named_before_anything_is_written(tmp_path, monkeypatch, name, install):
    monkeypatch.setattr(trainer, "find_spec", lambda package: None)
    with pytest.raises(MissingExtra, match=f"train.loggers names {name}, .*; pip install {install}"):
        trained(tmp_path / "run", "csv", name)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def made(monkeypatch):
    """The arguments with which the loggers of services are made, in place of these."""
    found = []
    for name in ("WandbLogger", "MLFlowLogger"):
        monkeypatch.setattr(trainer, name, lambda *args, **how: found.append((args, how)) or CSVLogger("."))
    for variable in (
        "WANDB_MODE",
        "WANDB_ERROR_REPORTING",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_DISABLE_TELEMETRY",
    ):
        monkeypatch.delenv(variable, raising=False)
    return found


def test_services_write_into_the_run_unless_another_place_is_named(tmp_path, made, monkeypatch):
    run = Run(tmp_path / "a run")
    trainer._LOGGERS["wandb"](run)
    trainer._LOGGERS["mlflow"](run)
    (_, wandb), (_, mlflow) = made
    assert (wandb["offline"], wandb["save_dir"], wandb["name"]) == (True, run.folder, "a run")
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
    assert mlflow["tracking_uri"] == f"sqlite:///{run.folder}/mlflow.db"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert mlflow["artifact_location"] == (run.folder / "mlflow").as_uri()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    trainer._LOGGERS["wandb"](run)
    trainer._LOGGERS["mlflow"](run)
    assert made[2][1]["offline"] is False and made[3][1]["tracking_uri"] == "http://tracking.example"


@pytest.mark.slow
def test_wandb_offline(tmp_path, monkeypatch):
    """Two trainings in one process are two runs, of which nothing is sent."""
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    for name in ("a", "b"):
        run = trained(tmp_path / name, "wandb")
        (folder,) = (run.folder / "wandb").glob("offline-run-*")
        assert [*folder.glob("run-*.wandb")]


def test_a_run_with_loggers_is_a_run_as_others(tmp_path):
    """Loggers of a recipe stand in recipe.yaml and change nothing that is learned."""
    with_logger, without = trained(tmp_path / "a", "csv"), trained(tmp_path / "b")
    assert isinstance(Run(tmp_path / "a").read_recipe().train.loggers, tuple)
    assert with_logger.encoder.read_bytes() == without.encoder.read_bytes()
    assert json.loads(with_logger.environment.read_text())["images"]
