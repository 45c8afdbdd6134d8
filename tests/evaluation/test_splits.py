"""Parts to test on: the source's own splits, a fifth by class, rare classes, numbers and tags; notes."""

import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from infomax.evaluation.given import Given
from infomax.evaluation.splits import Split, labelled_split
from infomax.learning.data import Dataset
from infomax.learning.views.images import ViewsConfig

GREY = ViewsConfig(mean=(0.5,), std=(0.3,))


def paint(folder, num):
    """Write a number of grey images, others in each folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(str(folder).encode()))
    for number in range(num):
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(folder / f"{number}.png")


@pytest.fixture
def scans(tmp_path):
    """Classes of 20, 10, 3, 2 and 1 images."""
    for name, num in {"a": 20, "b": 10, "c": 3, "d": 2, "left": 1}.items():
        paint(tmp_path / "scans" / name, num)
    return tmp_path / "scans"


def test_rare_classes_are_split_a_class_at_a_time(scans):
    split = labelled_split(scans, GREY)
    assert split.class_sizes == {"a": (16, 4), "b": (8, 2), "c": (2, 1), "d": (1, 1), "left": (1, 0)}
    assert not set(split.train.names) & set(split.test.names)
    assert split.how == "a fifth of split 'train', held out by class"
    assert split.notes == ("classes with 1 label, in the training part only: left",)
    again, other = labelled_split(scans, GREY), labelled_split(scans, GREY, seed=1)
    assert list(again.test.names) == list(split.test.names) != list(other.test.names)


def test_a_class_of_one_does_not_turn_stratification_off(tmp_path):
    """The case of a test part of one class only, where everything was right."""
    for name, num in {"a": 44, "b": 3, "c": 1}.items():
        paint(tmp_path / name, num)
    assert labelled_split(tmp_path, GREY).class_sizes == {"a": (35, 9), "b": (2, 1), "c": (1, 0)}


def test_a_test_part_of_one_class_is_said(tmp_path):
    for name, num in {"a": 6, "b": 1}.items():
        paint(tmp_path / name, num)
    notes = labelled_split(tmp_path, GREY).notes
    assert notes == (
        "classes with 1 label, in the training part only: b",
        "all test labels are a: an accuracy on one class says little",
    )


def test_classes_of_one_image_each_leave_nothing_to_test(tmp_path):
    for name in "abc":
        paint(tmp_path / name, 1)
    with pytest.raises(ValueError, match=r"no class has more than 1 label \(a, b, c\); label more"):
        labelled_split(tmp_path, GREY)


def test_classes_of_one_split_only_are_said(tmp_path):
    for place, num in {"train/a": 5, "train/b": 5, "train/c": 2, "test/a": 2, "test/z": 3}.items():
        paint(tmp_path / place, num)
    split = labelled_split(tmp_path, GREY)
    assert split.how == "split 'test'"
    assert split.notes == (
        "classes without test labels, with training labels: b (5), c (2)",
        "classes without training labels, whose test labels count as errors: z (3)",
    )


def test_a_test_split_without_labels_is_not_used(tmp_path):
    """As competitions publish them: the fifth comes of the training split, and that is said."""
    for name in "ab":
        paint(tmp_path / "set" / "train" / name, 10)
    paint(tmp_path / "set" / "test", 4)
    rows = [f"train/{name}/{number}.png,{name}" for name in "ab" for number in range(10)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    split = labelled_split(Given(tmp_path / "set", labels=str(tmp_path / "labels.csv")), GREY)
    assert split.class_sizes == {"a": (8, 2), "b": (8, 2)}
    assert split.how == "a fifth of split 'train', held out by class"
    assert split.notes == ("split 'test' has no labels and is not used",)


def test_a_chosen_split_and_all_of_them_are_named(tmp_path):
    for place in ("train", "test"):
        for name in "ab":
            paint(tmp_path / place / name, 5)
    chosen = labelled_split(Given(tmp_path, split="test"), GREY)
    assert chosen.how == "a fifth of split 'test', held out by class" and len(chosen.test) == 2
    every = labelled_split(Given(tmp_path, split="all"), GREY)
    assert every.how == "a fifth of all splits, held out by class" and len(every.test) == 4


def test_numbers_are_held_out_at_random(tmp_path):
    paint(tmp_path / "set", 22)
    rows = [f"{number}.png,{number / 2}" for number in range(20)]
    (tmp_path / "ages.csv").write_text("\n".join(["file,age", *rows]))
    split = labelled_split(Given(tmp_path / "set", labels=f"{tmp_path / 'ages.csv'}:age"), GREY)
    assert split.how == "a fifth of split 'train', held out at random"
    assert (len(split.train), len(split.test)) == (16, 4)
    assert split.notes == ("left out, because they have no label: 2 rows",)
    assert not split.has_classes
    with pytest.raises(ValueError, match=r"dim: needs classes, got 1 number \(age\); .* clean protocol"):
        split.check_classes("dim")


def test_labels_without_names_are_named_by_their_numbers():
    pixels, labels = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 2, 2, -1])
    dataset = Dataset(pixels, labels, ["a", "b", "c", "d"], ("x",))
    split = Split(dataset, dataset.subset(slice(0, 1)), "by hand")
    assert split.class_sizes == {"x": (1, 1), "1": (0, 0), "2": (2, 0)}


def test_test_images_that_are_training_images_are_said(tmp_path):
    for place in ("train/a", "train/b", "test/a", "test/b"):
        paint(tmp_path / place, 4)
    assert labelled_split(tmp_path, GREY).notes == ()
    shutil.copy(tmp_path / "train/a/0.png", tmp_path / "test/b/other name.png")
    line = "1 of 9 test images is in the training part, too, equal in all values: "
    assert [note.partition("their")[0] for note in labelled_split(tmp_path, GREY).notes] == [line]


def test_copies_within_one_split_are_said_where_the_fifth_parts_them(tmp_path):
    for name in "ab":
        paint(tmp_path / name, 1)
        for number in range(1, 5):
            shutil.copy(tmp_path / name / "0.png", tmp_path / name / f"{number}.png")
    assert labelled_split(tmp_path, GREY).notes[0].startswith("2 of 2 test images are in the training part")


def test_a_split_that_is_not_used_is_said(tmp_path):
    for split in ("train", "validation", "test"):
        for name in "ab":
            paint(tmp_path / split / name, 3)
    assert labelled_split(tmp_path, GREY).notes == (
        "splits that are not used: validation (--split takes another)",
    )


@pytest.fixture
def patients(tmp_path):
    """Ten patients of four images, of whom the last four are ill; a table of who is who."""
    lines, rng = ["file,patient,ill"], np.random.default_rng(0)
    (tmp_path / "scans").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(tmp_path / f"scans/{number:02}.png")
        lines.append(f"{number:02}.png,p{number // 4},{'yes' if number >= 24 else 'no'}")
    (tmp_path / "who.csv").write_text("\n".join(lines))
    return tmp_path / "scans", f"{tmp_path / 'who.csv'}:"


def test_groups_are_held_out_whole(patients):
    scans, who = patients
    given = Given(scans, labels=f"{who}ill")

    def sides(split):
        return [{int(name[:2]) // 4 for name in part.names} for part in (split.train, split.test)]

    alone, whole = labelled_split(given, GREY), labelled_split(replace(given, groups=f"{who}patient"), GREY)
    assert set.intersection(*sides(alone)) and not set.intersection(*sides(whole))
    assert len(set.union(*sides(whole))) == 10 and len(whole.train) + len(whole.test) == 40
    assert whole.class_sizes == {"no": (20, 4), "yes": (12, 4)}  # one patient of each
    assert whole.how == f"2 of 10 groups by {who}patient, 20 % of split 'train', held out whole"
    alike = "intervals take all rows as independent, and are too narrow if rows of a group are alike"
    mixed = "probes choose their settings on parts that share groups, which may suit new groups less"
    assert {alike, mixed} <= {*whole.notes} and {alike, mixed}.isdisjoint(alone.notes)
    with pytest.raises(ValueError, match=r"^groups: who\.csv has no column 'nosuch'"):
        labelled_split(replace(given, groups=f"{who}nosuch"), GREY)
    again, other = (labelled_split(replace(given, groups=f"{who}patient"), GREY, seed=s) for s in (0, 1))
    assert list(again.test.names) == list(whole.test.names) != list(other.test.names)


def test_groups_that_cannot_be_held_out(patients, tmp_path):
    scans, who = patients
    given, table = Given(scans, labels=f"{who}ill"), tmp_path / "who.csv"
    few = tmp_path / "few.csv"
    few.write_text("".join(line for line in table.read_text().splitlines(True) if ",p0," not in line))
    split = labelled_split(replace(given, groups=f"{few}:patient"), GREY)
    assert "left out, because they have no label or no group: 4 rows" in split.notes
    one = tmp_path / "one.csv"
    one.write_text("file,patient\n" + "".join(f"{number:02}.png,p\n" for number in range(40)))
    with pytest.raises(ValueError, match=r"tells 1 group of the labelled rows .*; expected at least 2"):
        labelled_split(replace(given, groups=f"{one}:patient"), GREY)
    for name in ("train", "test"):
        shutil.copytree(scans, tmp_path / "own" / name)
    lines = [f"{name}/{line}" for name in ("train", "test") for line in table.read_text().splitlines()[1:]]
    (tmp_path / "both.csv").write_text("\n".join(["file,patient,ill", *lines]))
    both = Given(
        tmp_path / "own", labels=f"{tmp_path / 'both.csv'}:ill", groups=f"{tmp_path / 'both.csv'}:patient"
    )
    with pytest.raises(ValueError, match="has a split 'test'; give --split train to hold out of it"):
        labelled_split(both, GREY)
    assert labelled_split(replace(both, split="train"), GREY).how.startswith("2 of 10 groups by ")
