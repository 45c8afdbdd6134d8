"""Hostile files: no code is run, nothing outside is read, no wait and no memory beyond a stated limit."""

import gzip
import io
import json
import os
import socket
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from infomax.cli.main import main
from infomax.files import MAX_YAML, Unreadable, load_arrays, read_json, read_yaml, reading
from infomax.learning.data import load_images
from infomax.learning.data.sources.files import walk
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.public_amdim import load_public_checkpoint
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.views.images import STL_VIEWS
from infomax.learning.views.table import views_from, views_like

MAX_SECONDS = 30  # of a busy machine; most take less than one


@pytest.fixture(scope="module", autouse=True)
def _imported():
    """What the commands import is imported, so that it is their own time that is measured."""
    for arguments in ("embed x --data x --out x.npy", "measure x --target a", "import-amdim x --out y"):
        assert main(arguments.split()) == 2


@pytest.fixture(autouse=True)
def _at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    yield
    assert time.monotonic() - start < MAX_SECONDS


def line_of(capsys, *arguments):
    """Return the one line with which a command refuses its input."""
    capsys.readouterr()
    assert main([str(one) for one in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1, err
    return err


def endless(folder):
    """Files that never end, by name."""
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.png")  # the name of a socket must be short: in the current folder
    return [folder / f"{name}.png" for name in ("pipe", "device", "socket")]


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=False)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "it has an alias"),
        ("a: &a {b: *a}\n", "it has an alias"),
        ("a: " + "[" * 100, "it is nested too deeply"),
        ("a: " + "{a: " * 5000, "it is nested too deeply"),
        ("a: !!python/object/apply:os.abort []\n", "could not determine a constructor"),
        ("a: !!python/name:os.abort\n", "could not determine a constructor"),
        ("? [a, b]\n: c\n", "found unhashable key"),
        ("a: " + "1" * MAX_YAML, "it has 64 KiB, expected at most 64 KiB"),
        ("a: " + "1" * 60_000, "Exceeds the limit"),
        ("a: 2020-99-99\n", "month must be in"),
        ("", "it is empty"),
        ("- a", "it must be object"),
        ("\x00", "special characters are not allowed"),
    ],
)
def test_yaml(tmp_path, capsys, text, words):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(Unreadable, match=r"c\.yaml: "):
        read_yaml(tmp_path / "c.yaml", "x", "y")
    arguments = ("pretrain", "amdim-digits", "--config", "c.yaml", "--dry-run")
    assert words in line_of(capsys, *arguments)


def test_no_reader_opens_what_never_ends(tmp_path, capsys):
    for path in endless(tmp_path):
        for read in (read_yaml, read_json):
            with pytest.raises(Unreadable, match=r"it is a (pipe|device|socket), not a file; z"):
                read(path, "x", "z")
        assert "not a file" in line_of(capsys, "pretrain", "amdim-digits", "--config", path, "--dry-run")
        assert "not a file" in line_of(capsys, "import-amdim", path, "--out", "x")
    for name in ("x.csv", "x.parquet", "x.npy", "x.tar", "x.xlsx"):
        link = tmp_path / "links" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "pipe.png")
        assert "not a file" in line_of(capsys, "measure", link, "--target", "a")
        assert "not a file" in line_of(
            capsys, "embed", made_encoder(tmp_path), "--data", link, "--out", "f.npy"
        )


def made_encoder(folder):
    if not (folder / "encoder").exists():
        (folder / "encoder").mkdir()
        save_encoder(folder / "encoder", AMDIMEncoder(64, 2, 4, 1), STL_VIEWS)
    return folder / "encoder"


def test_images_that_never_end_are_named_and_left_out(tmp_path, encode, random_pixels):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode(random_pixels(0, 8, 8, 3)))
    for path in endless(tmp_path):
        path.rename(folder / path.name)
    with pytest.raises(ValueError, match=r"device.png: it is a device, not a file"):
        load_images(folder, size=8, cache=None, progress=False)
    found = load_images(folder, size=8, cache=None, progress=False, skip_broken=True)
    assert [*found.names] == ["a.png"] and len(found.skipped) == 3


ABSURD = [
    ("depth", 10_000_000, "arguments.depth must be smaller than or equal to 500"),
    ("width", 2**31, "arguments.width must be smaller than"),
    ("embedding_dim", 10**6, "does not fit encoder.json"),
    ("image_size", 10_000, "does not fit encoder.json"),
    ("channels", 10**6, "does not fit encoder.json"),
    ("global_dim", 10**6, "does not fit encoder.json"),
]


@pytest.mark.parametrize(("key", "value", "words"), ABSURD)
def test_no_description_takes_memory_that_its_weights_have_not(tmp_path, key, value, words):
    path = made_encoder(tmp_path) / "encoder.json"
    description = json.loads(path.read_text())
    description["arguments"][key] = value
    path.write_text(json.dumps(description))
    with pytest.raises(ValueError, match=words):
        load_encoder(path.parent)


def test_no_file_imports_a_module_or_calls_a_function(tmp_path):
    (tmp_path / "evil.py").write_text("open('stolen', 'w')\ndef run(*_, **__): open('stolen', 'w')\n")
    for name in ("evil:run", "os:abort"):
        for build in (views_from, views_like):
            with pytest.raises(ValueError, match=f"no kind of views '{name}'.*import the module"):
                build({"name": name})
    path = made_encoder(tmp_path) / "encoder.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "views": {**description["views"], "name": "evil:run"}}))
    with pytest.raises(Unreadable, match=r"encoder.json: views: no kind of views 'evil:run'"):
        load_encoder(path.parent)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("method: {name: 'evil:run'}\nviews: {name: 'evil:run'}\n")
    assert main(["report", "run", "--no-pictures"]) == main(["pretrain", "--resume", "run"]) == 2
    assert not (tmp_path / "stolen").exists()


def farm(root, num):
    for name in range(num):
        (root / f"d{name:02}").mkdir(parents=True)
        (root / f"d{name:02}" / "x.png").touch()
        for other in range(num):
            (root / f"d{name:02}" / f"to{other:02}").symlink_to(root / f"d{other:02}")


def test_folders_that_are_linked_to_each_other(tmp_path):
    farm(tmp_path / "farm", 12)  # 1.3e9 ways through them
    tree = walk(tmp_path / "farm")
    assert len(tree.files) == 12 + 12 * 11  # each folder, and once for each link to it from another
    assert tree.files == walk(tmp_path / "farm").files
    assert len(tree.repeated) == 12 + 12 * 11 * 12  # links to the folder itself, and links behind links


def test_links_to_folders_are_followed(tmp_path):
    (tmp_path / "raw" / "cats").mkdir(parents=True)
    (tmp_path / "raw" / "cats" / "x.png").touch()
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "cats").symlink_to(tmp_path / "raw" / "cats")
    (tmp_path / "raw" / "cats" / "up").symlink_to(tmp_path / "data")
    tree = walk(tmp_path / "data")
    assert tree.files == ["train/cats/x.png"] and tree.repeated == ("train/cats/up/",)


def test_a_table_names_only_pictures_in_its_folder(tmp_path, encode, random_pixels):
    inside, outside = tmp_path / "data" / "pictures", tmp_path / "secret"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(encode(random_pixels(0, 8, 8, 3)))
    (inside / "link.png").symlink_to(outside / "a.png")
    good = ["pictures/a.png", str(inside / "a.png")]
    bad = [str(outside / "a.png"), "../secret/a.png", "pictures/link.png", "pictures/../../secret/a.png"]
    table, how = tmp_path / "data" / "t.parquet", {"size": 8, "cache": None, "progress": False}
    pq.write_table(pa.table({"image": good}), table)
    assert len(load_images(table, **how)) == 2
    for path in (*bad, "/dev/zero", "/etc/passwd"):
        pq.write_table(pa.table({"image": [path]}), table)
        with pytest.raises(ValueError, match=r"t.parquet:0: the table names the file .*, expected a picture"):
            load_images(table, **how)
    pq.write_table(pa.table({"image": [{"bytes": None, "path": bad[0]}]}), table)
    with pytest.raises(ValueError, match="the table names the file"):
        load_images(table, **how)


def archive(path, *members, **options):
    with tarfile.open(path, options.get("mode", "w")) as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def test_archives(tmp_path, encode, random_pixels):
    picture, how = encode(random_pixels(0, 8, 8, 3)), {"size": 8, "cache": None, "progress": False}
    for described in (b'{"label": [1, 2]}', b"[1]", b'{"label": {"a": 1}}'):
        path = archive(tmp_path / "a.tar", ("0.png", picture), ("0.json", described))
        assert len(load_images(path, **how)) == 1
    for described in (b"{", b"[" * 100_000, b"\xff"):
        path = archive(tmp_path / "a.tar", ("0.png", picture), ("0.json", described))
        with pytest.raises(ValueError, match=r"a.tar.*(not JSON|nested too deeply)"):
            load_images(path, **how)
    found = load_images(archive(tmp_path / "b.tar", ("../../x.png", picture), ("/etc/y.png", picture)), **how)
    assert len(found) == 2 and not (tmp_path.parent.parent / "x.png").exists()
    with pytest.raises(ValueError, match=r"c.tar"):
        load_images(archive(tmp_path / "c.tar", ("0.png", picture), mode="w:gz"), **how)
    with tarfile.open(tmp_path / "d.tar", "w") as file:
        link = tarfile.TarInfo("0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    with pytest.raises(ValueError, match=r"d.tar"):
        load_images(tmp_path / "d.tar", **how)


def npy(shape, descr="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": descr})
    return file.getvalue() + bytes(64)


def npz(path, content, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("images.npy", content)
    return path


def test_arrays_hold_what_their_heads_name(tmp_path, monkeypatch):
    for content in (b"", npy((1 << 40,)), npy((1 << 62, 1 << 62)), npy((8,), "|O"), b"\x93NUMPY\x09\x00xx"):
        (tmp_path / "a.npy").write_bytes(content)
        for path in (tmp_path / "a.npy", npz(tmp_path / "a.npz", content)):
            with pytest.raises(ValueError, match=f"{path.name}: "), reading("data", path, "mend"):
                np.asarray(load_arrays(path)["images"] if path.suffix == ".npz" else load_arrays(path))
            with pytest.raises(ValueError, match=f"{path.name}: "):
                load_images(path, size=8, cache=None, progress=False)
    monkeypatch.setattr("infomax.files.most_bytes", lambda: 1 << 20)
    bomb = npz(tmp_path / "bomb.npz", npy((1 << 18,)) + bytes(2 << 20))
    with pytest.raises(ValueError, match="it unpacks to 2 MiB, expected at most 1 MiB"):
        load_arrays(bomb)
    (tmp_path / "folder").mkdir()
    bomb.rename(tmp_path / "folder" / "a.npz")
    with pytest.raises(ValueError, match=r"a.npz: it unpacks to 2 MiB"):
        load_images(tmp_path / "folder", size=8, cache=None, progress=False)


def test_packed_tables(tmp_path, capsys):
    zeros = b"a,b\n" + b"0,0\n" * (20 << 20)  # 80 MiB of 80 KiB
    with gzip.open(tmp_path / "a.csv.gz", "wb", compresslevel=1) as file:
        file.write(zeros)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("a.csv", zeros)
    Path("a.xlsx").write_bytes(Path("a.zip").read_bytes())
    for name in ("a.csv.gz", "a.zip", "a.xlsx"):
        assert "if you trust it, unpack it" in line_of(capsys, "measure", name, "--target", "a")


def test_tables_without_end(tmp_path, capsys):
    cases = {"a.npy": b"", "a.json": b"[" * 100_000, "a.npz": b"PK\x03\x04", "a.parquet": b"PAR1",
             "a.csv.gz": b"\x1f\x8b\x08", "a.arrow": b"ARROW1", "a.csv": b"",
             "b.npy": npy((1 << 40,))}  # fmt: skip
    for name, content in cases.items():
        Path(name).write_bytes(content)
        assert name in line_of(capsys, "measure", name, "--target", "a")
    saved = tmp_path / "saved"
    saved.mkdir()
    for file in ("/etc/passwd", "../x.arrow"):
        (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": file}]}))
        assert "expected one inside it" in line_of(capsys, "measure", saved, "--target", "a")


def test_public_checkpoints(tmp_path, capsys):
    path = tmp_path / "a.pth"
    for content in (b"", b"junk", b"PK\x03\x04junk", b"\x80\x02cos\nsystem\n(S'touch stolen'\ntR."):
        path.write_bytes(content)
        line = line_of(capsys, "import-amdim", path, "--out", "x")
        assert "a.pth: " in line and "weights_only" not in line and not Path("stolen").exists()
    for state in ({"encoder.x": 3}, {}, {"encoder.module.layer_list.0.conv.weight": torch.zeros(1)}):
        torch.save({"model": state}, path)
        line_of(capsys, "import-amdim", path, "--out", "x")
    torch.save({"model": {"encoder.a": torch.zeros(1).expand(1 << 20, 1 << 20)}}, path)
    with pytest.raises(ValueError, match=r"entry 'encoder\.a' promises"):
        load_public_checkpoint(path)


def test_heads_of_measured_images(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 64, 64), np.uint16), photometric="minisblack")
    monkeypatch.setattr("infomax.learning.data.pixels.formats.most_bytes", lambda: 1 << 10)
    with pytest.raises(ValueError, match=r"a.tif: its header promises 40 KiB, expected at most 1 KiB"):
        load_images(tmp_path, size=8, channels=5, pages="channels", cache=None, progress=False)
