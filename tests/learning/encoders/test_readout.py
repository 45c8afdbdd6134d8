"""All scales as one vector, half made white: against NumPy, scikit-learn, and what it is for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from infomax.evaluation.embedding import embed, embed_layers
from infomax.evaluation.finetuning.classifier import FinetunedClassifier
from infomax.evaluation.representations import representations
from infomax.learning.encoders.amdim_layers import Readout
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import DESCRIPTION, load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import ViewsConfig

RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1, readout="joined")),
    views=ViewsConfig(mean=(0.31,), std=(0.36,), grayscale=0.0),
    train=TrainConfig(steps=3, batch_size=8, precision="float32"),
)


def joined_of(readout, rows):
    return readout(rows).numpy()


def features(seed, num=4000, dim=6):
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.normal(size=(num, dim)) @ generator.normal(size=(dim, dim)) + 3).float()


def test_standard_deviations_become_their_square_roots():
    rows, readout = features(0), Readout(6)
    readout.fit(rows)
    joined = joined_of(readout, rows)
    np.testing.assert_allclose(joined.mean(0), 0, atol=1e-4)
    variances = np.linalg.eigvalsh(np.corrcoef(rows.T.numpy()))
    np.testing.assert_allclose(np.cov(joined.T), np.diag(np.sqrt(variances)), atol=0.02)


@pytest.mark.parametrize("num", [10, 400])
def test_the_same_by_scikit_learn(num):
    """Wᵀ z = V S^(−1/4) z has the length of C^(−1/4) z, with the covariance C of scikit-learn."""
    rows, readout = features(1, num), Readout(6)
    readout.fit(rows)
    scaled = StandardScaler().fit_transform(rows.double().numpy())
    root = fractional_matrix_power(LedoitWolf().fit(scaled).covariance_, -0.25)
    expected = np.linalg.norm(scaled @ root, axis=1)
    np.testing.assert_allclose(np.linalg.norm(joined_of(readout, rows), axis=1), expected, rtol=2e-3)


def test_a_class_that_varies_little_is_found_by_neighbours():
    """Eight columns of large noise hide the one that tells classes, until all are scaled."""
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, 1000)
    large, small = generator.normal(size=(1000, 8)) * 10, (2 * labels - 1) + generator.normal(size=1000) * 0.2
    rows, readout = torch.from_numpy(np.column_stack([large, small])).float(), Readout(9)
    readout.fit(rows)

    def accuracy(x):
        near = KNeighborsClassifier(5, metric="cosine").fit(x[:500], labels[:500])
        return near.score(x[500:], labels[500:])

    assert accuracy(rows.numpy()) < 0.75
    assert accuracy(joined_of(readout, rows)) > 0.8


def test_features_that_never_change_stay_finite():
    rows, readout = features(3), Readout(6)
    rows[:, 2] = 5.0
    readout.fit(rows)
    assert np.isfinite(joined_of(readout, rows)).all()
    readout.fit(torch.ones(50, 6))  # none of them does
    assert np.isfinite(joined_of(readout, rows)).all()
    readout.fit(rows[:2])
    assert np.isfinite(joined_of(readout, rows)).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pretrain(RECIPE, RECIPE.views.load("digits"), tmp_path_factory.mktemp("runs") / "run", quiet=True)


def test_few_images_are_in_memory_at_a_time():
    images = RECIPE.views.load("digits")
    batches = [*images.example_batches(700, seed=3, batch_size=300)]
    assert [len(one) for one in batches] == [300, 300, 100]
    assert torch.equal(torch.cat(batches), images.examples(700, seed=3))


def correlations(rows):
    """Covariances between features, as a share of the largest variance."""
    covariance = np.cov(rows.T)
    return np.abs(covariance - np.diag(np.diag(covariance))).max() / covariance.max()


def test_training_ends_with_a_fitted_readout(run):
    images = RECIPE.views.load("digits")
    encoder = load_encoder(run.folder)
    rows = embed(encoder, images)
    assert rows.shape[1] == 3 * 8
    assert correlations(rows) < 1e-4
    seen = encoder.view(images.batch(slice(0, 5)))
    found = encoder.encoder(seen)
    assert found.global_.shape == (5, 8)
    assert embed_layers(encoder, images)["Y"].shape[1] == 8  # the protocol of DIM has the global feature
    assert torch.equal(found.representation, found.joined)
    assert encoder.encoder.train()(seen).joined is None
    encoder.encoder.eval()


def test_readouts_of_random_encoders_are_fitted_too(run):
    images = RECIPE.views.load("digits")
    rows = representations(load_encoder(run.folder), "run", 0, images)["random encoder"](images)
    assert correlations(rows) < 1e-4


def test_fine_tuning_starts_from_the_global_feature(run):
    pretrained = load_encoder(run.folder)
    model = FinetunedClassifier(pretrained, [0, 1], ["a", "b"])
    assert model.encoder.arguments["readout"] == "global"
    assert not any(name.startswith("readout") for name in model.encoder.state_dict())
    assert pretrained.encoder.arguments["readout"] == "joined"


def test_encoders_of_before_give_their_global_feature(tmp_path):
    plain = with_readout("global")
    run = pretrain(plain, plain.views.load("digits"), tmp_path / "run", quiet=True)
    file = run.folder / DESCRIPTION
    description = json.loads(file.read_text())
    del description["arguments"]["readout"]
    file.write_text(json.dumps(description))
    found = load_encoder(run.folder)(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert found.joined is None
    assert torch.equal(found.representation, found.global_)


def with_readout(name, recipe=RECIPE):
    method = replace(recipe.method, encoder=replace(recipe.method.encoder, readout=name))
    return replace(recipe, method=method)


def test_an_image_and_its_mirror_image_are_the_same_to_a_mirrored_readout(run, tmp_path):
    images = RECIPE.views.load("digits")
    recipe = with_readout("mirrored")
    mirrored = load_encoder(pretrain(recipe, images, tmp_path / "run", quiet=True).folder)
    seen = mirrored.view(images.batch(slice(0, 50)))
    joined = mirrored.encoder(seen).joined
    torch.testing.assert_close(mirrored.encoder(seen.flip(-1)).joined, joined, rtol=0, atol=1e-5)
    assert correlations(embed(mirrored, images)) < 1e-4
    # the mean of both, by the encoder that was trained alike
    alone = load_encoder(run.folder).encoder
    alone.readout.reset()
    both = (alone(seen).joined + alone(seen.flip(-1)).joined) / 2
    torch.testing.assert_close(mirrored.encoder.readout(both), joined, rtol=1e-4, atol=1e-4)


def test_mirror_images_need_views_that_mirror(tmp_path):
    unmirrored = replace(with_readout("mirrored"), views=replace(RECIPE.views, flip=0.0))
    with pytest.raises(ValueError, match="readout joined, or --views"):
        pretrain(unmirrored, RECIPE.views.load("digits"), tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match="signals have no mirror image"):
        SignalEncoder(256, 1, width=4, embedding_dim=8, depth=1, readout="mirrored")


def test_signals_and_two_encoders(tmp_path):
    recipe = recipe_named("amdim-picture-and-tone")
    encoder = replace(recipe.method.encoder, width=4, embedding_dim=8, readout="joined")
    recipe = replace(recipe, method=replace(recipe.method, encoder=encoder), train=RECIPE.train)
    run = pretrain(recipe, recipe.load("picture-and-tone"), tmp_path / "run", quiet=True)
    for name in ("picture", "tone"):
        readout = load_encoder(run.folder / name).encoder.readout
        assert readout.mean.abs().sum() > 0
        assert not torch.equal(readout.matrix, torch.eye(24))
