"""Any source: which kind it is, and what is said where it is none."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.learning.data import load_images, load_signals
from infomax.learning.data.sources.objects import Objects
from infomax.learning.data.sources.opening import SOURCES, open_source
from infomax.registry import Registry


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda p: p,
            FileNotFoundError,
            r"data: .* holds no files at all; expected image files .*; give another",
        ),
        (
            lambda p: (p / "a.txt").write_text("x"),
            FileNotFoundError,
            r"holds 1 files, none of them an image \(.txt\); expected image files",
        ),
        (
            lambda p: ((p / "a.png").write_text("x"), (p / "b.parquet").write_text("x")),
            ValueError,
            r"holds both image files \(such as a.png\) and tables \(such as b.parquet\), expected one kind",
        ),
    ],
)
def test_folders_of_something_else(load, tmp_path, make, error, message):
    (tmp_path / "it").mkdir()
    make(tmp_path / "it")
    with pytest.raises(error, match=message):
        load(tmp_path / "it")


def test_a_missing_folder_suggests_a_near_name(load, write, tmp_path):
    write("photographs/a.png", b"x")
    with pytest.raises(
        FileNotFoundError, match=r"photograps does not exist; expected .*did you mean .*/photographs\?"
    ):
        load(tmp_path / "photograps")
    with pytest.raises(FileNotFoundError, match=r"data: digit does not exist; .*did you mean digits\?"):
        load("digit")
    with pytest.raises(FileNotFoundError) as error:
        load(tmp_path / "it" / "photos")
    assert str(error.value).endswith("check the path")  # not the photographs that are built in
    with pytest.raises(FileNotFoundError, match=r"/nowhere/qqq does not exist; .*; check the path"):
        load("/nowhere/qqq")


def test_a_file_that_holds_no_table_is_refused(load, write, random_pixels):
    with pytest.raises(
        ValueError, match=r"received the file .*a.png, expected a .parquet, .*; give the folder of the"
    ):
        load(write("one/a.png", random_pixels(0, 8, 8, 3)))


def test_what_is_no_sequence_is_refused(load):
    with pytest.raises(
        ValueError, match=r"data: received a int, expected a path, a name or a sequence of images"
    ):
        load(7)
    with pytest.raises(ValueError, match=r"nothing to load from split train of list: it is empty"):
        load([])


def test_a_column_means_the_tables_of_a_folder_that_also_holds_files(load, write, random_pixels, encode):
    image = random_pixels(1, 8, 8, 3)
    folder = write("both/a.png", random_pixels(0, 8, 8, 3)).parent
    pq.write_table(pa.table({"left": [encode(image)]}), folder / "b.parquet")
    assert (load(folder, column="left").values == image).all()


def test_numbers_in_a_list_are_one_value_and_not_a_pair():
    signals = load_signals({"train": [[1, 2, 3], [4.0, 5.0, 6.0]]}, length=3, progress=False)
    assert signals.values.tolist() == [[[1, 2, 3]], [[4, 5, 6]]] and not signals.labelled


def test_a_new_kind_of_source_is_one_function_in_the_table(monkeypatch):
    """It is asked before the others, also for what another kind would take."""
    kinds = Registry("kind of source", SOURCES)
    monkeypatch.setattr("infomax.learning.data.sources.opening.SOURCES", kinds)

    def open_ramps(request):
        if not str(request.source).startswith("ramps:"):
            return None
        num = int(request.source.removeprefix("ramps:"))
        return Objects("ramps", {"train": [np.full((8, 8), value, np.uint8) for value in range(num)]})

    kinds.register("ramps", open_ramps)
    assert load_images("ramps:3", size=8, channels=1, progress=False).values[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert open_source("digits").name == "digits"
