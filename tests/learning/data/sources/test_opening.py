"""Any source: which kind it is, and what is said where it is none."""

import pytest


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
