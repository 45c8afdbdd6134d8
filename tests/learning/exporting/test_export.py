"""Exported encoders: the original's features of pixels as files hold them, without infomax and Lightning."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from infomax.cli import main
from infomax.learning import (
    AMDIMEncoder,
    DIMEncoderConfig,
    PretrainedEncoder,
    SignalEncoder,
    SignalViewsConfig,
    TappedEncoder,
    ViewsConfig,
    export_encoder,
    load_encoder,
    load_images,
    save_encoder,
)
from infomax.learning.encoders.architectures import dim_encoder
from infomax.learning.encoders.own import own_module
from infomax.learning.exporting.graph import EncoderGraph
from infomax.learning.views.kinds import SingleViews

VIEWS = ViewsConfig(stored_size=24, image_size=20, evaluation_crop=0.9, range="full", bits=8)
RANGE = "0:4095,0:600,-3:5.5"


def make_encoder(**views):
    torch.manual_seed(0)
    encoder = AMDIMEncoder(20, 4, 8, 1, batch_norm=True)
    return PretrainedEncoder(encoder, ViewsConfig(**{**vars(VIEWS), **views}))


def pixels(num, shape=(3, 24, 24), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num, *shape), np.uint8)


def make_tapped():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def tapped_encoder():
    torch.manual_seed(0)
    tapped = TappedEncoder(make_tapped(), image_shape=(3, 20, 20), local="1", global_="3")
    return PretrainedEncoder(tapped, VIEWS)


def test_onnx_takes_pixels_in_batches_of_any_size(tmp_path):
    encoder = tapped_encoder()
    made = export_encoder(encoder, tmp_path / "e.onnx", local=True)
    assert made.format == "onnx" and made.difference < 1e-5
    session = onnxruntime.InferenceSession(made.file)
    (given,), outputs = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == ("images", "tensor(uint8)", [3, 24, 24])
    assert [one.name for one in outputs] == ["embedding", "local_9"]
    for num in (1, 5):
        seen = pixels(num)
        features = encoder(torch.from_numpy(seen))
        embedding, local = session.run(None, {"images": seen})
        np.testing.assert_allclose(embedding, features.global_, atol=1e-4)
        np.testing.assert_allclose(local, features.local[9], atol=1e-4)
    with pytest.raises(Exception, match="Unexpected input data type"):  # floats in [0, 1] are refused
        session.run(None, {"images": pixels(2) / np.float32(255)})
    note = json.loads(session.get_modelmeta().custom_metadata_map["infomax"])
    assert note["input"]["values"] == "pixels from 0 to 255, before normalisation"
    assert note["encoder"]["views"]["range"] == "full"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".safetensors"])
@pytest.mark.parametrize("kind", ["amdim", "dcgan", "resnet", "alexnet", "strided-crops", "signal"])
def test_every_kind_of_encoder(tmp_path, kind, suffix):
    torch.manual_seed(0)
    views: SingleViews = ViewsConfig(stored_size=72, image_size=64, range=RANGE, bits=8)
    if kind == "signal":
        encoder, views = SignalEncoder(192, 1, 4, 8, 1), SignalViewsConfig(stored_length=256, length=192)
    elif kind == "amdim":
        encoder = AMDIMEncoder(64, 4, 8, 1)
    else:
        config = DIMEncoderConfig(architecture=kind, width=8, num_hidden=16, num_units=8)
        encoder = dim_encoder(config, (3, 64, 64))
    made = export_encoder(PretrainedEncoder(encoder, views), tmp_path / f"e{suffix}", local=True)
    assert made.difference < 1e-5


def test_files_need_neither_lightning_nor_a_program_infomax(tmp_path):
    """In a new process: the program by torch alone, then the file of weights by `load_encoder`."""
    encoder = tapped_encoder()
    made = export_encoder(encoder, tmp_path / "e.pt2")
    ranged = make_encoder(range=RANGE, bits=16)
    weights = export_encoder(ranged, tmp_path / "e.safetensors")
    np.save(tmp_path / "seen.npy", pixels(3))
    code = (
        "import sys, numpy, torch; module = torch.export.load('e.pt2').module(); "
        "assert isinstance(module, torch.nn.Module); "
        "numpy.save('out.npy', module(torch.from_numpy(numpy.load('seen.npy')))[0].detach().numpy()); "
        "assert 'infomax' not in sys.modules; import infomax; "
        "encoder = infomax.load_encoder('e.safetensors'); "
        "assert isinstance(encoder, torch.nn.Module) and encoder.views.range.startswith('0:4095'); "
        "assert not {'lightning', 'pytorch_lightning'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    expected = encoder(torch.from_numpy(pixels(3))).global_
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-4)
    assert made.opens == f"torch.export.load({str(made.file)!r}).module()(images)"
    assert str(weights.input) == (
        f"float32 [b, 3, 24, 24], as images are loaded, before normalisation: 0 to 1, of the range {RANGE}"
    )
    seen = torch.rand(2, 3, 24, 24)
    assert torch.equal(load_encoder(weights.file)(seen).global_, ranged(seen).global_)


@pytest.mark.filterwarnings("ignore:.*does not fit these images")
@pytest.mark.parametrize("bits", [8, 16])
def test_measured_values_go_in_and_their_range_is_applied_within(bits):
    """The graph reads them as `load_images` does, to the last step of what is stored."""
    encoder = make_encoder(range=RANGE, bits=bits)
    graph = EncoderGraph(encoder)
    low, high = np.array([[0, 0, -3], [4095, 600, 5.5]])
    values = np.random.default_rng(0).uniform(low - 50, high + 50, (4, 24, 24, 3)).astype(np.float32)
    values[0, :, :, 1] = np.arange(576).reshape(24, 24)  # halves of a step among them
    loaded = load_images([*values], size=24, range=RANGE, bits=bits, cache=None, progress=False)
    stored = loaded.batch(slice(0, 4))
    read = graph.read(torch.from_numpy(values.transpose(0, 3, 1, 2)))
    assert torch.equal(read, stored.float() / 255 if bits == 8 else stored)
    assert graph.input.dtype == "float32"
    assert graph.input.values == f"values as measured, of the range {RANGE}"


def test_sixteen_bits_of_full_range_and_signals():
    graph = EncoderGraph(make_encoder(bits=16))
    seen = graph.example(2)
    assert (seen.dtype, graph.input.values) == (np.uint16, "pixels from 0 to 65535, before normalisation")
    expected = graph.encoder(torch.from_numpy(seen / np.float32(65535))).global_
    assert torch.equal(graph(torch.from_numpy(seen))[0], expected)
    views = SignalViewsConfig(stored_length=256, length=192)
    signals = EncoderGraph(PretrainedEncoder(SignalEncoder(192, 1, 4, 8, 1), views))
    assert str(signals.input) == "float32 [b, 1, 256], as signals are loaded, before normalisation"
    assert len(signals(torch.from_numpy(signals.example(3)))[0]) == 3


def test_a_tapped_module(tmp_path):
    encoder = tapped_encoder()
    for suffix in (".pt2", ".safetensors"):
        assert export_encoder(encoder, tmp_path / f"e{suffix}", local=True).difference < 1e-5
    seen = torch.from_numpy(pixels(2))
    assert torch.equal(
        load_encoder(tmp_path / "e.safetensors", make_tapped())(seen).global_, encoder(seen).global_
    )
    with pytest.raises(ValueError, match=r"needs a torch\.nn\.modules\.container\.Sequential, which it taps"):
        load_encoder(tmp_path / "e.safetensors")


TRANSFORMER = """
import torch
from torch import nn

class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.first = nn.Conv2d(3, 8, 5, 5), nn.Parameter(torch.randn(1, 1, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.layer(torch.cat([self.first.expand(SIZE, -1, -1), tokens], 1))

def make():
    torch.manual_seed(0)
    return Transformer()
"""


@pytest.mark.parametrize(("size", "code"), [("x.shape[0]", 0), ("len(x)", 2)])
def test_a_transformer_of_ones_own_by_the_command(tmp_path, capsys, monkeypatch, size, code):
    """Its class token and its patches; where the code fixes the batch, the message says how not to."""
    monkeypatch.chdir(tmp_path)
    name = f"own_transformer_{code}"
    (tmp_path / f"{name}.py").write_text(TRANSFORMER.replace("SIZE", size))
    tapped = TappedEncoder(
        own_module(f"{name}:make"), image_shape=(3, 20, 20), local="layer", global_="layer"
    )
    save_encoder(tmp_path, tapped, VIEWS)
    options = ["export", ".", "--module", f"{name}:make", "--out", "e.pt2", "--local"]
    assert main(options) == code
    out, err = capsys.readouterr()
    if code:
        assert "batches of one size only: where its code has len(x), write x.shape[0]" in err
        return
    outputs = {one["name"]: one["shape"] for one in json.loads(out)["outputs"]}
    assert outputs == {"embedding": ["b", 8], "local_4": ["b", 8, 4, 4]}
    seen = torch.from_numpy(pixels(5))
    embedding, local = torch.export.load("e.pt2").module()(seen)
    expected = PretrainedEncoder(tapped, VIEWS)(seen)
    torch.testing.assert_close(embedding, expected.global_, atol=1e-4, rtol=0)
    torch.testing.assert_close(local, expected.local[4], atol=1e-4, rtol=0)


class Undecided(nn.Module):
    def forward(self, images):
        return images * 2 if images.sum().item() > 0 else images


def test_what_torch_cannot_follow_is_refused(tmp_path):
    module = nn.Sequential(make_tapped()[0], Undecided(), *make_tapped()[2:])
    encoder = PretrainedEncoder(TappedEncoder(module, image_shape=(3, 20, 20), local="0", global_="3"), VIEWS)
    with pytest.raises(ValueError, match=r"torch\.export cannot follow this encoder .*--format safetensors"):
        export_encoder(encoder, tmp_path / "e.pt2")
    assert not [*tmp_path.iterdir()]


def test_a_file_that_gives_something_else_is_refused(tmp_path, monkeypatch):
    encoder = make_encoder()
    monkeypatch.setattr(EncoderGraph, "original", lambda self, seen: {"embedding": np.ones((len(seen), 8))})
    with pytest.raises(ValueError, match=r"embedding differs from the original's by .* at most 0\.0001"):
        export_encoder(encoder, tmp_path / "e.safetensors")
    assert not [*tmp_path.iterdir()]


def test_names_and_suffixes(tmp_path):
    encoder, kept = make_encoder(), tmp_path / "e.onnx"
    with pytest.raises(ValueError, match=r"no format 'onxx'; did you mean onnx\?"):
        export_encoder(encoder, kept, format="onxx")
    for out, format in ((tmp_path / "e.pt", None), (kept, "safetensors")):
        with pytest.raises(ValueError, match=r"its suffix must be \.pt2 for torch-export, \.onnx for onnx"):
            export_encoder(encoder, out, format=format)
    kept.write_text("mine")
    with pytest.raises(FileExistsError, match="exists; give --overwrite to replace it"):
        export_encoder(encoder, kept)
    assert kept.read_text() == "mine"


def test_files_of_others_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="does not say what it holds; expected a run folder, or a file that"):
        load_encoder(tmp_path / "x.safetensors")
    (tmp_path / "y.safetensors").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"cannot read .*y\.safetensors: .*; expected a run folder, or a file that"
    ):
        load_encoder(tmp_path / "y.safetensors")


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = make_encoder()
    save_encoder(tmp_path, encoder.encoder, encoder.views)
    assert main(["export", ".", "--out", "e.safetensors"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["difference"]) == ("safetensors", 0)
    assert found["input"]["shape"] == ["b", 3, 24, 24] and found["outputs"][0]["name"] == "embedding"
    assert main(["export", ".", "--out", "e.safetensors"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", ".", "--out", "e.safetensors", "--overwrite", "--format", "safetensors"]) == 0
    assert main(["export", ".", "--out", "e.h5"]) == 2
    assert "its suffix must be" in capsys.readouterr().err
