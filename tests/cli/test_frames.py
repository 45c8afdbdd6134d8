"""From the command to the bound that it maximises: few frames of ours lie between."""

import traceback
from pathlib import Path

import pytest

import infomax
from infomax.cli import main
from infomax.learning.objectives import dim
from infomax.learning.objectives.contrastive import streamed

SOURCE = str(Path(infomax.__file__).parent)
MAX_FRAMES = 10
TINY = ["--train.steps", "1", "--train.batch_size", "8", "--train.precision", "float32"]
CAPACITY = {
    "amdim-digits": ["--method.encoder.width", "4", "--method.encoder.embedding_dim", "16"],
    "dim-digits": ["--method.encoder.width", "4", "--method.encoder.num_hidden", "16"],
}


@pytest.mark.parametrize(
    ("recipe", "module", "bound"),
    [("amdim-digits", streamed, "bound_by_image"), ("dim-digits", dim, "infonce_by_image")],
)
def test_few_frames_from_the_command_to_the_bound(recipe, module, bound, tmp_path, monkeypatch):
    original, frames = getattr(module, bound), []

    def recorded(*arguments):
        stack = traceback.extract_stack()[:-1]
        ours = [f for f in stack if f.filename.startswith(SOURCE) and not f.name.startswith("<")]
        ours = [f for f in ours if Path(f.filename).name != "muon.py"]  # calls back, and hands nothing on
        frames.append([f"{f.filename}:{f.name}" for f in ours])
        return original(*arguments)

    monkeypatch.setattr(module, bound, recorded)
    assert main(["pretrain", recipe, "--out", str(tmp_path / "run"), *TINY, *CAPACITY[recipe]]) == 0
    deepest = max(frames, key=len)
    assert len(deepest) + 1 <= MAX_FRAMES, "\n".join(deepest)
