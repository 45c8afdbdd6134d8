"""Two and three processes that embed and evaluate together against one: the same rows, bit for bit."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from PIL import Image
from torch.multiprocessing.spawn import start_processes

from infomax.cli import main
from infomax.evaluation import evaluating
from infomax.evaluation.clean import evaluate_clean
from infomax.evaluation.embedding import embed, embed_layers, embed_to_file
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.splits import Split
from infomax.learning.data import Dataset
from infomax.learning.distributed.launching import leave_group_at_exit
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.dim import DCGANEncoder
from infomax.learning.encoders.saving import PretrainedEncoder, save_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

SIZES = (1, 2, 3)
GREY = ViewsConfig(mean=(0.5,), std=(0.3,))


def make_images(n, labelled=True):
    rng = np.random.default_rng(n)
    pixels = rng.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    labels = np.arange(n) % 2 if labelled else np.full(n, -1)
    return Dataset(pixels, labels.astype(np.int64), [f"{i}.png" for i in range(n)], ("a", "b"))


def tiny_encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(AMDIMEncoder(image_size=32, channels=1, width=4, embedding_dim=8, depth=1), GREY)


def outcomes(folder):
    """What a process finds, alone or as one of several; of 7 images in batches of 2, and of 1."""
    encoder = tiny_encoder()
    for n, labelled in ((7, True), (7, False), (1, True)):
        for suffix in (".parquet", ".npy"):
            out = folder / f"{n}-{'labelled' if labelled else 'plain'}{suffix}"
            embed_to_file(encoder, make_images(n, labelled), out, batch_size=2)
    split = Split(make_images(20), make_images(7), "given")
    found = evaluate_clean(encoder, split, CleanOptions(probes=("linear", "knn"), labels_per_class=2))
    layered = PretrainedEncoder(DCGANEncoder(32, channels=1, width=4, num_hidden=8, num_units=4), GREY)
    return {
        "embedded": torch.from_numpy(embed(encoder, make_images(7), batch_size=2)),
        "layers": {
            name: torch.from_numpy(x)
            for name, x in embed_layers(layered, make_images(7), batch_size=2).items()
        },
        "rows": json.dumps(found.rows),
        "test features": torch.from_numpy(found.test_features),
    }


def commands(folder, photos):
    """What `evaluate` and `embed` print, alone or as started by torchrun."""
    shutil.copytree(photos / "run", folder / "run")
    data = ["--data", photos / "data"]
    printed = StringIO()
    with redirect_stdout(printed):
        for command in (
            ["evaluate", folder / "run", *data, "--probes", "knn,linear", "--labels-per-class", "2"],
            ["embed", folder / "run", *data, "--out", folder / "cli.npy"],
        ):
            assert main([str(one) for one in command]) == 0
    return printed.getvalue()


def worker(rank, folder, photos, port):
    torch.set_num_threads(1)
    one, two, three = (folder / str(size) for size in SIZES)
    if rank == 2:
        torch.save([outcomes(one), commands(one, photos)], one / "0.pt")
    else:
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "GROUP_RANK")
        os.environ.update(dict(zip(names, (str(rank), str(rank), "2", "2", "1", "0"), strict=True)))
        os.environ.update(TORCHELASTIC_RUN_ID="test", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        rank_folder = two if rank == 0 else two / "other machine"
        printed = commands(rank_folder, photos)
        torch.save([outcomes(two), printed], two / f"{rank}.pt")
        dist.destroy_process_group()
    leave_group_at_exit()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    torch.save([outcomes(three), ""], three / f"{rank}.pt")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of images in two classes, and one with an encoder."""
    path = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (path / "data" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (32, 32), np.uint8)
            Image.fromarray(pixels).save(path / "data" / name / f"{number}.png")
    (path / "run").mkdir()
    save_encoder(path / "run", tiny_encoder().encoder, GREY)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photos):
    path = tmp_path_factory.mktemp("shares")
    for size in SIZES:
        (path / str(size)).mkdir()
    (path / "2" / "other machine").mkdir()
    start_processes(worker, (path, photos, find_free_network_port()), nprocs=3, start_method="spawn")
    return path


@pytest.mark.parametrize("size", SIZES[1:])
def test_all_processes_find_what_one_finds(folder, size):
    expected, _ = torch.load(folder / "1" / "0.pt", weights_only=True)
    for rank in range(size):
        found, _ = torch.load(folder / str(size) / f"{rank}.pt", weights_only=True)
        assert found["rows"] == expected["rows"]
        assert found["layers"].keys() == expected["layers"].keys() == {"conv", "fc", "Y"}
        for name in ("embedded", "layers", "test features"):
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)
    assert expected["embedded"].shape == (7, 8)


@pytest.mark.parametrize("size", SIZES[1:])
def test_files_are_those_of_one(folder, size):
    """Once each row, in the order of the images."""
    names = {path.name for path in (folder / "1").glob("[17]-*")}
    assert len(names) == 6
    assert {path.name for path in (folder / str(size)).glob("*-*")} == names
    for name in names:
        one, several = folder / "1" / name, folder / str(size) / name
        if name.endswith(".npy"):
            np.testing.assert_array_equal(np.load(several), np.load(one))
        else:
            assert pq.read_table(several).equals(pq.read_table(one))
    table = pq.read_table(folder / str(size) / "7-labelled.parquet")
    assert table["name"].to_pylist() == [f"{i}.png" for i in range(7)]
    assert table["label"].to_pylist() == ["a", "b", "a", "b", "a", "b", "a"]
    assert "label" not in pq.read_table(folder / str(size) / "7-plain.parquet").column_names


def without_dates(printed):
    return re.sub(r'"date": ".*?"', "", printed)


def test_commands_as_torchrun_starts_them(folder):
    """They print, and write, once what one process does; the second process need not reach the output."""
    one, two = folder / "1", folder / "2"
    printed = [torch.load(path, weights_only=True)[1] for path in (one / "0.pt", two / "0.pt", two / "1.pt")]
    assert without_dates(printed[1].replace(f"{two}/", f"{one}/")) == without_dates(printed[0])
    assert printed[2] == ""
    files = {path.name for path in (one / "run").iterdir()}
    assert files >= {"evaluation.json", "gallery.npz", "similarity.npz"}
    assert {path.name for path in (two / "run").iterdir()} == files
    np.testing.assert_array_equal(np.load(two / "cli.npy"), np.load(one / "cli.npy"))
    written = {path.name for path in (two / "other machine").rglob("*") if path.is_file()}
    assert written == {"encoder.json", "encoder.safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "devices"])
def test_processes_are_started(photos, tmp_path, launcher):
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2"] if launcher == "torchrun" else []
    options = [] if launcher == "torchrun" else ["--devices", "2"]
    data = [photos / "run", "--data", photos / "data", "--out", tmp_path / "f.npy"]
    command = [sys.executable, *torchrun, "-m", "infomax.cli", "embed", *data, *options]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("data")["splits"] == {"train": 20}
    assert answer == {"file": str(tmp_path / "f.npy"), "num_images": 20, "skipped": []}
    assert np.load(tmp_path / "f.npy").shape == (20, 8)


def test_other_protocols_run_in_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluating, "num_ranks", lambda: 2)
    with pytest.raises(ValueError, match="the paper protocol runs in one process, got 2; use clean"):
        evaluating.evaluate_run(Run(tmp_path), "digits", protocol="paper")
