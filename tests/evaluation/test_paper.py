"""The published evaluation: what it re-estimates, what it leaves out, what it must not touch."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from infomax.cli import main
from infomax.evaluation.options import PaperOptions
from infomax.evaluation.paper import evaluate_paper, reestimated, right_answers, train_classifiers
from infomax.evaluation.splits import Split
from infomax.learning.data import Dataset, load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.features import Features
from infomax.learning.encoders.saving import PretrainedEncoder, save_encoder
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.views.images import ViewsConfig

GREY = ViewsConfig(
    crop_scale=None, flip=0.0, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.5,), std=(0.3,)
)
QUICK = PaperOptions(epochs=4, batch_size=50)


class Pooled(nn.Module):
    """Brightness of each of 4 × 4 squares, normalised over the batch: the quickest encoder with a memory."""

    input_shape = (1, 32, 32)

    def __init__(self):
        super().__init__()
        self.arguments = {}
        self.norm = nn.BatchNorm1d(16)

    def forward(self, views):
        return Features(self.norm(F.avg_pool2d(views, 8).flatten(1)), {})


@pytest.fixture(scope="module")
def digits():
    parts = (load_images("digits", split=name, size=32, channels=1) for name in ("train", "test"))
    train, test = (images.subset(slice(0, 220)) for images in parts)
    return Split(train, test, "by hand")


@pytest.fixture
def encoder(digits):
    found = PretrainedEncoder(Pooled(), GREY)
    found.encoder.train()
    for _ in range(50):
        found(digits.train.batch(slice(None)))
    return found.eval()


def state(module: nn.Module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(before, module):
    return all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_a_class_that_only_the_test_images_have_stops_nothing(digits, encoder):
    """Its label is beyond those that the classifiers know; its images count as errors."""
    some = np.flatnonzero(digits.train.labels < 8)
    split = Split(digits.train.subset(some[:100]), digits.test, "by hand")
    found = evaluate_paper(encoder, split, replace(QUICK, epochs=1))
    assert "classes without training labels, whose test labels count as errors: 8 (" in found.notes[0]
    assert {row["num_test"] for row in found.rows if row["regime"] == "frozen"} == {220}
    assert all(row["interval"][0] < row["accuracy"] < row["interval"][1] for row in found.rows)


def test_nothing_that_was_given_changes(encoder, digits):
    """The published code lets the encoder's batch norm drift; here it stays, bit for bit."""
    before = state(encoder)
    heads = train_classifiers(encoder, digits.train, QUICK)
    heads_before = state(heads)
    right_answers(encoder, heads, digits.test, QUICK)
    assert same(before, encoder) and same(heads_before, heads)
    assert not encoder.training and not encoder.encoder.training and not heads.training


def test_statistics_follow_the_test_batches(encoder, digits):
    """Running statistics of the last norm, m ← 0.9 m + 0.1 mean, by a loop over the same batches."""
    heads = OnlineClassifiers(16, 10).eval()
    twin = copy.deepcopy(encoder.encoder).train()
    norm = twin.norm
    expected, seen = norm.running_mean.clone(), []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    torch.manual_seed(5)
    adapted, adapted_heads = reestimated(encoder, heads, digits.test, 50, max_batches=3)
    torch.manual_seed(5)
    with torch.no_grad():
        for rows in torch.randperm(220)[:200].split(50)[:3]:
            twin(encoder.view(digits.test.batch(rows.numpy())))
            expected = 0.9 * expected + 0.1 * seen[-1].mean(0)
    torch.testing.assert_close(adapted.encoder.norm.running_mean, expected)
    assert not torch.equal(adapted_heads.heads["mlp"][2].running_mean, heads.heads["mlp"][2].running_mean)
    assert not adapted.training and not adapted.encoder.training and not adapted_heads.training


def test_at_most_fifty_batches(encoder, digits):
    many = digits.test.subset(np.arange(202) % 220)
    adapted, _ = reestimated(encoder, OnlineClassifiers(16, 10), many, 2)
    before = int(encoder.encoder.norm.num_batches_tracked)
    assert int(adapted.encoder.norm.num_batches_tracked) == before + 50


def test_incomplete_batches_are_left_out_in_one_regime_only(encoder, digits):
    regimes = right_answers(encoder, OnlineClassifiers(16, 10).eval(), digits.test, QUICK)
    published, right = regimes["as published"]
    assert len(published) == 200 and right["mlp"].shape == (200,)
    assert set(published.names) < set(digits.test.names)
    assert published.names != digits.test.names[:200]
    assert len(regimes["frozen"][0]) == 220


def test_frozen_answers_are_those_of_the_heads(encoder, digits):
    heads = train_classifiers(encoder, digits.train, QUICK)
    _, right = right_answers(encoder, heads, digits.test, QUICK)["frozen"]
    with torch.no_grad():
        features = encoder(digits.test.batch(slice(None))).global_
        for name, head in heads.heads.items():
            np.testing.assert_array_equal(right[name], head(features).argmax(1).numpy() == digits.test.labels)


def test_the_published_regime_hides_a_shift_between_training_and_test(encoder, digits):
    """Dimmed test images: statistics of the test set undo much of what a frozen encoder has to bear."""
    dimmed = Dataset(digits.test.values // 4, digits.test.labels, digits.test.names, digits.test.classes)
    training = replace(QUICK, epochs=15, optimizer=replace(QUICK.optimizer, lr=2e-2))
    heads = train_classifiers(encoder, digits.train, training)
    share = {}
    for light, images in {"as ever": digits.test, "dimmed": dimmed}.items():
        for regime, (_, right) in right_answers(
            encoder, heads, images, replace(QUICK, batch_size=20)
        ).items():
            share[regime, light] = right["mlp"].mean()
    assert share["frozen", "as ever"] > 0.7
    assert share["as published", "dimmed"] > 0.6
    assert share["frozen", "dimmed"] < 0.4


def test_rows(encoder, digits):
    assessment = evaluate_paper(encoder, digits, replace(QUICK, seed=3), name="mine")
    again = evaluate_paper(encoder, digits, replace(QUICK, seed=3), name="mine")
    assert assessment.rows == again.rows
    assert [(row["representation"], row["regime"], row["probe"]) for row in assessment.rows] == [
        (one, regime, probe)
        for one in ("mine", "random encoder")
        for regime in ("as published", "frozen")
        for probe in ("linear", "mlp")
    ]
    assert [row["num_test"] for row in assessment.rows[:4]] == [200, 200, 220, 220]
    assert assessment.rows[0]["settings"]["milestones"] == pytest.approx((8 / 3, 11 / 3))
    assert assessment.test_features.shape == (220, 16)


def test_the_learning_rate_falls_at_the_milestones(encoder, digits, monkeypatch):
    rates = []
    original = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam,
        "step",
        lambda self, *a, **k: (rates.append(self.param_groups[0]["lr"]), original(self, *a, **k))[1],
    )
    train_classifiers(encoder, digits.train, PaperOptions(epochs=6, milestones=(2.0, 5.0), batch_size=110))
    np.testing.assert_allclose(rates, np.repeat([2e-4, 4e-5, 8e-6], [4, 6, 2]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0; the default is 120"),
        (
            {"epochs": 30, "milestones": (15.0, 45.0)},
            "milestones must be epochs between 0 and 30, got 15",
        ),
    ],
)
def test_refused_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        PaperOptions(**settings)


def test_fewer_images_than_a_batch(encoder, digits):
    with pytest.raises(ValueError, match="220 labelled train images are fewer than a batch of 250"):
        evaluate_paper(encoder, digits, PaperOptions(batch_size=250))


def test_the_command_keeps_protocols_apart(tmp_path, capsys):
    """Each protocol has a file of its own, replaced only on demand; the others stay."""
    save_encoder(tmp_path, AMDIMEncoder(32, 4, 16, 1, channels=1), GREY)
    for number, shade in enumerate([40, 200] * 10):
        (tmp_path / "data" / str(shade)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), shade).save(tmp_path / "data" / str(shade) / f"{number}.png")
    common = ["evaluate", str(tmp_path), "--data", str(tmp_path / "data")]
    paper = [*common, "--protocol", "paper", "--epochs", "1", "--batch-size", "3"]
    assert main([*common, "--probes", "knn", "--labels-per-class", "0"]) == 0
    clean = (tmp_path / "evaluation.json").read_bytes()
    capsys.readouterr()
    assert main(paper) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found == json.loads((tmp_path / "evaluation-paper.json").read_text())
    assert found["protocol"] == "paper" and "re-estimated" in found["note"] and "re-estimated" in err
    assert "as published" in err and "frozen" in err
    assert (tmp_path / "evaluation.json").read_bytes() == clean
    assert main(paper) == 2
    assert "evaluation-paper.json exists; give --overwrite" in capsys.readouterr().err
    assert main([*paper, "--overwrite"]) == 0
