"""No NaN leaves: what is made of features stops at the first image whose features are not finite."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from infomax.cli import main
from infomax.evaluation.embedding import embed, embed_layers
from infomax.evaluation.probes.rows import ProbeData
from infomax.evaluation.similarity.maps import similarity_maps
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.features import check_finite_weights, features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder, save_encoder
from infomax.learning.exporting.export import export_encoder
from infomax.learning.views.images import ViewsConfig

VIEWS = ViewsConfig(stored_size=16, image_size=16, mean=(0.3,), std=(0.3,))


class BrightIsInfinite(AMDIMEncoder):
    """Its features of an image with a bright first pixel are NaN."""

    def forward(self, images):
        features = super().forward(images)
        features.global_[images[:, 0, 0, 0] > 2] = torch.nan
        return features


@pytest.fixture
def run(tmp_path):
    save_encoder(tmp_path, AMDIMEncoder(16, width=4, embedding_dim=8, depth=1, channels=1), VIEWS)
    return tmp_path


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 100, (12, 16, 16, 1), dtype=np.uint8)
    pixels[[7, 9], 0, 0] = 255
    labelled = [(one, number % 2) for number, one in enumerate(pixels)]
    return load_images(labelled, size=16, channels=1, progress=False)


def spoil(run, value=float("nan")):
    weights = load_file(run / "encoder.safetensors")
    name = next(name for name in weights if name.endswith("spatial.weight"))
    weights[name].flatten()[0] = value
    save_file(weights, run / "encoder.safetensors")
    return name


def test_the_first_offending_image_is_named(images):
    encoder = PretrainedEncoder(BrightIsInfinite(16, 4, 8, 1, channels=1), VIEWS)
    message = f"features: those of {images.names[7]} hold NaN or infinity, the first of 2 of 12 in a batch"
    for measure in (embed, embed_layers):
        with pytest.raises(ValueError, match=message):
            measure(encoder, images)
    with pytest.raises(ValueError, match=f"those of {images.names[7]} hold NaN or infinity, the first of 1"):
        embed(encoder, images, batch_size=4)
    rows = np.array([3, 9, 7])
    with pytest.raises(ValueError, match=f"those of {images.names[9]} hold NaN"):
        features_of_rows(encoder, images, rows)
    query = images.batch(slice(7, 8))[0]
    with pytest.raises(ValueError, match="the query's features hold NaN or infinity"):
        similarity_maps(encoder, query, images)
    with pytest.raises(ValueError, match=f"those of {images.names[7]} hold NaN"):
        similarity_maps(encoder, images.batch(slice(0, 1))[0], images)
    with pytest.raises(ValueError, match="hold NaN or infinity, the first of 2 of 12"):
        encoder.as_transformer().fit(images.values).transform(images.values)
    kept = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 11])
    assert np.isfinite(embed(encoder, images.subset(kept))).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_is_written_of_an_encoder_with_weights_that_are_not_finite(run, value, capsys):
    name = spoil(run, value)
    common = [str(run), "--data", "digits"]
    for words in (["embed", *common, "--out"], ["similarity", *common, "--query", "0", "--out"]):
        out = run / ("features.npy" if words[0] == "embed" else "similar.png")
        assert main([*words, str(out)]) == 2
        assert "NaN or infinity" in capsys.readouterr().err
        assert not out.exists()
    assert main(["evaluate", *common, "--probes", "knn"]) == 2
    assert "NaN or infinity" in capsys.readouterr().err
    assert not (run / "evaluation.json").exists()
    with pytest.raises(ValueError, match=f"export: the weight {name} holds NaN or infinity"):
        check_finite_weights("export", load_encoder(run).encoder)
    with pytest.raises(ValueError, match=r"export: the weight .* holds NaN or infinity"):
        export_encoder(load_encoder(run), run / "encoder.pt2")
    assert not (run / "encoder.pt2").exists()


def test_probes_refuse_features_that_are_not_finite():
    features = np.zeros((4, 2), np.float32)
    features[2, 1] = np.inf
    with pytest.raises(ValueError, match=r"probe: train_features must be finite, .* first in row 2"):
        ProbeData.of("probe", features, np.array([0, 1, 0, 1]), features, np.array([0, 1, 0, 1]))
