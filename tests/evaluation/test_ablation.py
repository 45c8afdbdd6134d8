"""Ablations: each variant changes its part alone; the table of costs; nothing is done twice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from infomax.cli import main
from infomax.evaluation.ablation import ablating
from infomax.evaluation.ablation.ablating import ablate
from infomax.evaluation.ablation.tables import Row, as_markdown, mean_and_error, rows_of
from infomax.evaluation.ablation.variants import VARIANTS, WHOLE, without_augmentation
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import STL_VIEWS, ViewsConfig

RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=2, whitened=True)),
    optimizer=OptimizerConfig(rule="muon", lr=1e-2),
    views=ViewsConfig(mean=(0.31,), std=(0.36,), grayscale=0.0),
    train=TrainConfig(steps=3, batch_size=8, precision="float32"),
)


@pytest.mark.parametrize(
    ("variant", "changed"),
    [
        (WHOLE, set()),
        ("one scale", {"method.scales"}),
        ("global only", {"method.scales"}),
        ("weaker encoder", {"method.encoder"}),
        ("no clip", {"method.clip"}),
        ("no penalty", {"method.penalty_weight"}),
        ("own flips", {"views.shared_flip"}),
        ("random filters", {"method.encoder"}),
        ("adam", {"optimizer.rule", "optimizer.lr"}),
    ],
)
def test_a_variant_changes_its_part_alone(variant, changed):
    other = VARIANTS[variant](RECIPE)
    found = {
        f"{part}.{name}"
        for part in ("method", "views", "optimizer", "train")
        for name, value in vars(getattr(RECIPE, part)).items()
        if getattr(getattr(other, part), name) != value
    }
    assert found == changed


@pytest.mark.parametrize("views", [RECIPE.views, STL_VIEWS])
def test_without_augmentation_both_views_are_the_image(views):
    import torch

    plain = without_augmentation(replace(RECIPE, views=views)).views
    images = torch.randint(0, 256, (3, *plain.stored_shape), dtype=torch.uint8)
    maker = plain.random_views(2)
    for view in maker(images):
        torch.testing.assert_close(maker.normalize.inverse(view), images)
    assert plain.input_shape == views.input_shape


def test_values_of_the_changes():
    assert VARIANTS["one scale"](RECIPE).method.scales == ((1, 7),)
    assert VARIANTS["global only"](RECIPE).method.scales == ((1, 1),)
    assert VARIANTS["weaker encoder"](RECIPE).method.encoder == AMDIMEncoderConfig(2, 8, 1, whitened=True)
    assert VARIANTS["no clip"](RECIPE).method.clip is None
    assert VARIANTS["no penalty"](RECIPE).method.penalty_weight == 0
    assert VARIANTS["own flips"](RECIPE).views.shared_flip is False
    assert VARIANTS["random filters"](RECIPE).method.encoder.whitened is False
    assert VARIANTS["adam"](RECIPE).optimizer == OptimizerConfig(rule="adam", lr=2e-3)


def test_a_variant_that_changes_nothing_is_refused_and_left_out(capsys):
    without = VARIANTS["adam"](VARIANTS["no clip"](RECIPE))
    for name in ("adam", "no clip"):
        with pytest.raises(
            ValueError, match=f"the variant '{name}' changes nothing, as the recipe is without"
        ):
            VARIANTS[name](without)
    names = ablating._names(without, None, quiet=False)
    assert {"adam", "no clip"}.isdisjoint(names) and {WHOLE, "no penalty", "random filters"} <= {*names}
    assert "ablate: no clip, adam left out; the recipe has no such part" in capsys.readouterr().err


def test_costs_are_paired_by_seed():
    def runs(*accuracies):
        return [{"steps": 5, "accuracies": {"linear": a, "neighbours": a / 2}} for a in accuracies]

    whole, less, noisy = rows_of(
        {WHOLE: runs(0.6, 0.7, 0.8), "no clip": runs(0.5, 0.6, 0.71), "no penalty": runs(0.9, 0.6)}
    )
    assert less.costs["linear"] == pytest.approx([0.1, 0.1, 0.09])
    assert (whole.verdict("linear"), less.verdict("linear")) == ("", "helps")
    assert noisy.costs["linear"] == pytest.approx([-0.3, 0.1])
    assert noisy.verdict("linear") == "cannot be told"
    harmful = Row("one scale", [5, 5], {"linear": [0.9, 0.9]}, {"linear": [-0.1, -0.11]})
    assert harmful.verdict("linear") == "harms"
    table = as_markdown([whole, less])
    assert "| no clip | 5 | 0.603 ± 0.061 | +0.097 ± 0.003 |" in table
    assert table.splitlines()[2].endswith("|  |")


def test_errors_are_those_of_the_mean():
    values = np.random.default_rng(0).normal(size=7)
    mean, error = mean_and_error(values.tolist())
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / 7**0.5)
    assert np.isnan(mean_and_error([0.5])[1])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("ablation") / "out"
    rows = ablate(RECIPE, "digits", out, variants=["no clip"], num_seeds=2, max_labels=200, quiet=True)
    return out, rows


def test_table_and_picture(finished):
    out, rows = finished
    assert [row.variant for row in rows] == [WHOLE, "no clip"]
    assert all(0 < a < 1 for row in rows for of_probe in row.accuracies.values() for a in of_probe)
    assert {path.name for path in out.iterdir()} == {
        "whole", "no-clip", "ablation.json", "ablation.md", "ablation.png",
    }  # fmt: skip
    written = json.loads((out / "ablation.json").read_text())
    assert written[1]["linear"] == rows[1].accuracies["linear"]
    assert (out / "ablation.md").read_text() == as_markdown(rows)
    assert rows[0].accuracies["linear"][0] != rows[0].accuracies["linear"][1]  # seeds differ


def test_nothing_is_done_twice(finished, monkeypatch):
    out, rows = finished
    monkeypatch.setattr(ablating, "pretrain", None)
    again = ablate(RECIPE, "digits", out, variants=["no clip"], num_seeds=2, max_labels=200, quiet=True)
    assert again == rows


def test_results_of_something_else_are_not_taken(finished):
    out, _ = finished
    longer = replace(RECIPE, train=replace(RECIPE.train, steps=4))
    options = {"variants": ["no clip"], "num_seeds": 1, "quiet": True}
    with pytest.raises(ValueError, match=r"seed-0 holds a run by another recipe \(train.steps is 4, was 3\)"):
        ablate(longer, "digits", out, max_labels=200, **options)
    with pytest.raises(ValueError, match=r"probes\.json is of other images, labels or max_labels; remove it"):
        ablate(RECIPE, "digits", out, max_labels=100, **options)


def test_an_interrupted_run_goes_on(finished, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(*_):
        raise Killed

    recipe = replace(RECIPE, train=replace(RECIPE.train, checkpoint_steps=2))
    options = {"variants": [WHOLE], "num_seeds": 1, "max_labels": 200, "quiet": True}
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("infomax.learning.training.loop.save_encoder", kill)
        ablate(recipe, "digits", tmp_path / "out", **options)
    monkeypatch.setattr(ablating, "pretrain", None)
    (row,) = ablate(recipe, "digits", tmp_path / "out", **options)
    assert row.accuracies["linear"][0] == finished[1][0].accuracies["linear"][0]


def test_two_encoders_by_their_columns(tmp_path, capsys):
    """Views of any kind: the accuracy is the mean over encoders; a part that the recipe lacks is left out."""
    recipe = recipe_named("amdim-two-cameras")
    recipe = replace(recipe, method=RECIPE.method, train=RECIPE.train)
    out = tmp_path / "out"
    (whole, plain) = ablate(
        recipe, "two-cameras", out, variants=["no augmentation"], num_seeds=1, max_labels=100, quiet=True
    )
    assert (out / "whole" / "seed-0" / "left" / "encoder.json").is_file()
    assert plain.accuracies["linear"] != whole.accuracies["linear"]
    assert "left out" not in capsys.readouterr().err
    ablating._tell(recipe, "two-cameras", 100, None, quiet=False)
    assert capsys.readouterr().err.count("ablate: 100 rows to test on (split 'test')") == 2  # one an encoder
    names = ablating._names(recipe, None, quiet=False)
    assert names == [name for name in VARIANTS if name not in ("own flips", "adam")]
    assert "own flips, adam left out; the recipe has no such part" in capsys.readouterr().err


def test_what_was_read_is_said_once_for_each_run(tmp_path, capsys):
    ablate(RECIPE, "digits", tmp_path / "out", variants=["no clip"], num_seeds=1, max_labels=50)
    assert capsys.readouterr().err.count("images from digits") == 2


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (RECIPE, {"variants": ["no clap"]}, "no variant 'no clap'; did you mean no clip"),
        (RECIPE, {"num_seeds": 0}, "at least one seed, got 0"),
        (recipe_named("dim-digits"), {}, "those of AMDIM; .* got one of DIM"),
        (
            recipe_named("amdim-two-cameras"),
            {"variants": ["own flips"]},
            "'own flips' changes views.shared_flip",
        ),
    ],
)
def test_refusals(recipe, options, message, tmp_path):
    with pytest.raises(ValueError, match=f"ablate: .*{message}"):
        ablate(recipe, "digits", tmp_path / "out", **options)
    assert not any(tmp_path.iterdir())


def test_two_budgets_are_refused(tmp_path, capsys):
    command = ["ablate", "amdim-digits", "--out", str(tmp_path / "out"), "--minutes", "1", "--steps", "5"]
    assert main(command) == 2
    assert "expected one budget, got steps 5 and minutes 1" in capsys.readouterr().err


def test_command(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["ablate", "amdim-digits", "--out", str(out), "--seeds", "1", "--only", "one scale"]
    small = ["--max-labels", "200", "--train.steps", "2", "--method.encoder.width", "4"]
    assert main([*arguments, *small]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in result["rows"]] == ["whole", "one scale"]
    assert main([*arguments, "--only", "nothing"]) == 2
    assert "no variant 'nothing'" in capsys.readouterr().err
    assert main(["ablate", "amdim-cifar10-cpu", "--out", str(out)]) == 2
    assert "no images given" in capsys.readouterr().err
