"""Fine-tuning: it learns, leaves the encoder alone, depends on the seed alone; how many labels; files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from infomax.cli import main
from infomax.evaluation.embedding import embed
from infomax.evaluation.finetuning import comparing
from infomax.evaluation.finetuning.classifier import FinetunedClassifier, load_classifier, save_classifier
from infomax.evaluation.finetuning.comparing import compare_finetuning, finetune
from infomax.evaluation.finetuning.fitting import fit_classifier
from infomax.evaluation.finetuning.labels import LabelBudget, draws
from infomax.evaluation.options import FinetuningConfig
from infomax.evaluation.probes.few_labels import stratified_draw
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.splits import Split
from infomax.learning.data import load_images
from infomax.learning.encoders.dim import DCGANEncoder
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder, save_encoder
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.views.images import PLAIN_VIEWS

VIEWS = replace(PLAIN_VIEWS, mean=(0.31,), std=(0.36,))
SIX = LabelBudget(per_class=6)
CONFIG = FinetuningConfig(max_steps=40, encoder_lrs=(1e-3,))
SHORT = replace(CONFIG, max_steps=3)


@pytest.fixture(scope="module")
def digits():
    return tuple(load_images("digits", split=split, size=32, channels=1) for split in ("train", "test"))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(DCGANEncoder(32, 1, width=8, num_hidden=32, num_units=16), VIEWS)


def test_few_labels_are_learned(digits, encoder):
    train, test = digits
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    result = finetune(encoder, train, test, num_labels=SIX, num_draws=2, config=CONFIG)
    assert result.accuracy > 0.6 > 5 * result.chance
    assert (result.num_labels, result.num_test) == (60, len(test))
    assert len(result.accuracies) == 2 and result.std is not None
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert not encoder.training


def test_it_is_a_function_of_the_seed(digits, encoder):
    train, test = digits
    some = test.subset(slice(0, 100))
    results = [
        finetune(encoder, train, some, num_labels=SIX, num_draws=2, config=SHORT, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert results[0] == results[1]
    assert results[0].accuracies != results[2].accuracies


def test_unlabelled_images_are_left_out(digits, encoder):
    train, test = digits
    labels = test.labels.copy()
    labels[::2] = -1
    partly = type(test)(test.values, labels, test.names, test.classes)
    result = finetune(encoder, train, partly, num_labels=SIX, num_draws=1, config=SHORT)
    assert result.num_test == int(np.count_nonzero(labels >= 0))


def test_held_out_labels_choose_the_rate(digits, encoder):
    """A rate at which nothing is learned, and one at which something is."""
    train, _ = digits
    rows = draws(train, SIX, 1, 0)[0]
    fit = fit_classifier(encoder, train.subset(rows), replace(CONFIG, encoder_lrs=(30.0, 1e-3)))
    assert fit.encoder_lr == 1e-3


@pytest.fixture
def quick_probe(monkeypatch):
    """In place of the linear probe, which is tested where it is defined."""
    monkeypatch.setattr(comparing, "linear_probe", nearest_neighbor_probe)


def test_comparison_meets_the_same_labels(digits, encoder, quick_probe):
    train, test = digits
    some = test.subset(slice(0, 100))
    split = Split(train, some, "given")
    found = compare_finetuning(encoder, split, num_labels=SIX, name="mine", num_draws=2, config=SHORT)
    assert [(row["representation"], row["probe"]) for row in found.rows] == [
        ("mine", "fine-tuning"), ("from scratch", "fine-tuning"), ("mine", "linear probe")
    ]  # fmt: skip
    assert {row["num_labels"] for row in found.rows} == {60}
    alone = finetune(encoder, train, some, num_labels=SIX, num_draws=2, config=SHORT)
    assert found.rows[0]["accuracies"] == alone.accuracies
    features, tested = embed(encoder, train), embed(encoder, some)
    for draw, accuracy in enumerate(found.rows[2]["accuracies"]):
        rows = stratified_draw(train.labels, 6, np.random.default_rng([0, draw]))
        probe = nearest_neighbor_probe(features[rows], train.labels[rows], tested, some.labels)
        assert accuracy == probe.accuracy
    assert found.classifier.accuracy(some) == found.rows[0]["accuracies"][0]


def test_a_classifier_survives_its_files(digits, encoder, tmp_path):
    train, test = digits
    some = test.subset(slice(0, 60))
    fit = fit_classifier(encoder, train.subset(draws(train, SIX, 1, 0)[0]), SHORT)
    save_classifier(tmp_path / "new", fit.model)
    loaded = load_classifier(tmp_path / "new")
    assert isinstance(loaded, FinetunedClassifier) and loaded.classes == train.classes
    np.testing.assert_array_equal(loaded.predict(some), fit.model.predict(some))
    named = [train.classes[label] for label in loaded.predict(some)]
    assert loaded.predict_names(some) == named
    other = replace(some, classes=some.classes[::-1], labels=9 - some.labels, known_fingerprint=None)
    assert loaded.accuracy(other) == loaded.accuracy(some) == np.mean(loaded.predict(some) == some.labels)
    with torch.no_grad():
        batch = some.batch(slice(None))
        torch.testing.assert_close(loaded(batch), fit.model.eval()(batch))
        expected = fit.model.encoder(fit.model.plain(batch)).global_
    torch.testing.assert_close(load_encoder(tmp_path / "new")(batch).global_, expected)
    with pytest.raises(FileNotFoundError, match=r"holds no head.safetensors; expected a folder of"):
        load_classifier(tmp_path)


def test_a_classifier_on_a_network_of_ones_own_can_be_loaded(digits, encoder, tmp_path):
    def network():
        return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    torch.manual_seed(0)
    tapped = TappedEncoder(network(), image_shape=encoder.encoder.input_shape, local="1", global_="3")
    model = FinetunedClassifier(PretrainedEncoder(tapped, encoder.views), (0, 1), ("cat", "dog"))
    save_classifier(tmp_path / "new", model)
    again, some = load_classifier(tmp_path / "new", network()), digits[1].subset(slice(0, 20))
    np.testing.assert_array_equal(again.predict(some), model.predict(some))
    with pytest.raises(ValueError, match=r"needs a .*Sequential, which it taps; got none"):
        load_classifier(tmp_path / "new")


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("10%", LabelBudget(share=0.1), "10 %"),
        ("0.5%", LabelBudget(share=0.005), "0.5 %"),
        (" 500 ", LabelBudget(total=500), "500 in all"),
        ("50/class", LabelBudget(per_class=50), "50 per class"),
    ],
)
def test_budgets(text, expected, shown):
    assert LabelBudget.parse(text) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0%", "share must be above 0 and at most 1, got 0.0"),
        ("101%", "share must be above 0 and at most 1, got 1.01"),
        ("nan%", "share must be above 0 and at most 1, got nan"),
        ("0", "total must be at least 1, got 0"),
        ("-3/class", "per_class must be at least 1, got -3"),
        ("some", "expected a share such as 10%, a number such as 500, or 50/class; got 'some'"),
        ("1.5", "got '1.5'"),
    ],
)
def test_refused_budgets(text, message):
    with pytest.raises(ValueError, match=message):
        LabelBudget.parse(text)


def test_a_budget_is_one_thing():
    with pytest.raises(ValueError, match=r"one of share, total and per_class, got 0\.1, 5, None"):
        LabelBudget(share=0.1, total=5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.data())
def test_shares_are_divided_as_the_labels_are(sizes, data):
    """As many as asked for, of no class more than there are, each within 1 of its share."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    total = data.draw(st.integers(1, len(labels)))
    counts = LabelBudget(total=total).counts(labels)
    assert counts.sum() == total
    assert (counts <= sizes).all()
    assert (np.abs(counts - np.array(sizes) * total / len(labels)) < 1).all()


def test_draws(digits):
    train, _ = digits
    chosen = draws(train, LabelBudget(share=0.1), 3, 0)
    assert [len(set(rows.tolist())) for rows in chosen] == [135, 135, 135]
    assert len({tuple(rows) for rows in chosen}) == 3
    shares = np.bincount(train.labels[chosen[0]]) / np.bincount(train.labels)
    assert np.abs(shares - 0.1).max() < 0.01


@pytest.mark.parametrize(
    ("labels", "num_draws", "message"),
    [
        (LabelBudget(per_class=9999), 1, "9999 per class are wanted, 9999 of one class, but there are 1347"),
        (LabelBudget(total=1348), 1, "1348 in all are wanted"),
        (LabelBudget(per_class=1), 1, "class 0 would get 1; expected at least 2 of each class"),
        (LabelBudget(share=0.001), 1, "finetune: of 0.1 % labels, class"),
        (SIX, 0, "num_draws must be at least 1, got 0"),
    ],
)
def test_refused_draws(digits, labels, num_draws, message):
    with pytest.raises(ValueError, match=message):
        draws(digits[0], labels, num_draws, 0)


def test_one_class_is_no_task(digits):
    """Nothing can be told apart, and two labels of it left none to stop training by."""
    ones = digits[0].subset(np.flatnonzero(digits[0].labels == 1))
    with pytest.raises(ValueError, match=r"two classes or more, got 1 class \(1\); label others"):
        draws(ones, LabelBudget(total=2), 1, 0)


def test_the_command(encoder, quick_probe, tmp_path, capsys):
    save_encoder(tmp_path, encoder.encoder, encoder.views)
    quick = ["--draws", "1", "--max-steps", "2", "--encoder-lrs", "1e-3", "--out", str(tmp_path / "tuned")]
    command = ["finetune", str(tmp_path), "--data", "digits", "--num-labels"]
    assert main([*command, "5%", "30/class", *quick]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [row["labels"] for row in found["rows"]] == ["5 %"] * 3 + ["30 per class"] * 3
    saved = json.loads((tmp_path / "finetuning.json").read_text())
    assert saved["rows"] == found["rows"] and saved["data"]["source"] == "digits"
    assert "from scratch" in err and "linear probe" in err
    assert load_classifier(tmp_path / "tuned").classes == tuple("0123456789")
    assert main([*command, "5%", *quick]) == 2
    assert "finetuning.json exists; give --overwrite" in capsys.readouterr().err
    assert main([*command, "5%", *quick, "--overwrite"]) == 2
    assert "tuned is not empty; choose another folder" in capsys.readouterr().err
    assert main([*command, "0%", "--overwrite"]) == 2
    assert "share must be above 0 and at most 1, got 0.0" in capsys.readouterr().err
