"""A global feature of another dimension than the maps: it passes an embedding before it predicts."""

from dataclasses import replace

import pytest
import torch

from infomax.evaluation.similarity.maps import similarity_maps
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.features import Features, example_features
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.views.images import ViewsConfig

CAPACITY = AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1, global_dim=12)
GREY = ViewsConfig(mean=(0.5,), std=(0.5,), stored_size=16, image_size=16)


def encoders():
    return [
        AMDIMEncoder(32, 4, 8, 1, global_dim=12),
        SignalEncoder(length=100, channels=2, width=4, embedding_dim=8, depth=1, global_dim=12),
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_shapes_and_every_parameter_learns(number):
    torch.manual_seed(0)
    encoder = encoders()[number]
    views = [encoder(torch.randn(6, *encoder.input_shape)) for _ in range(2)]
    assert views[0].global_.shape == (6, 12) and views[0].predicting.shape == (6, 8)
    assert {x.shape[1] for x in views[0].local.values()} == {8}
    amdim_objective(*views).value.backward()
    assert all(one.grad is not None for one in encoder.parameters())
    assert encoder.needed_maps == {1, 5, 7}
    again = type(encoder)(**encoder.arguments)
    again.load_state_dict(encoder.state_dict())


def test_of_the_same_dimension_it_predicts_by_itself():
    same = AMDIMEncoder(32, 4, 8, 1, global_dim=8)
    assert same.state_dict().keys() == AMDIMEncoder(32, 4, 8, 1).state_dict().keys()
    features = example_features(same)
    assert features.embedded is None and features.predicting is features.global_


def test_the_objective_sees_the_embedded_feature_alone():
    generator = torch.Generator().manual_seed(0)
    one, two = (
        Features(
            torch.randn(4, 5, generator=generator),
            {side: torch.randn(4, 3, side, side, generator=generator) for side in (5, 7)},
            embedded=torch.randn(4, 3, generator=generator),
        )
        for _ in range(2)
    )
    cells = torch.zeros(2, 4, dtype=torch.long)
    plain = [replace(view, global_=view.predicting, embedded=None) for view in (one, two)]
    found, expected = (amdim_objective(*views, source_locations=cells) for views in ((one, two), plain))
    assert torch.equal(found.value, expected.value)


def test_trains_and_is_kept(tmp_path):
    images = load_images("digits", size=16, channels=1, progress=False).subset(slice(0, 16))
    recipe = Recipe(
        method=AMDIMConfig(encoder=CAPACITY), views=GREY, train=TrainConfig(steps=2, batch_size=8)
    )
    run = pretrain(recipe, images, tmp_path / "run", quiet=True)
    encoder = load_encoder(run.folder)
    assert encoder(images.batch(slice(0, 3))).global_.shape == (3, 12)
    assert similarity_maps(encoder, images.batch(slice(0, 1))[0], images).scores.shape == (16, 7, 7)
    with pytest.raises(ValueError, match="global_dim must be from 1 to 1,000,000, got -1"):
        AMDIMEncoder(32, 4, 8, 1, global_dim=-1)
