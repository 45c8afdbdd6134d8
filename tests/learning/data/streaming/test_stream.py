"""Streams: the same images as decoded once, in the order of the schedule; broken ones; exactly going on."""

from itertools import islice

import numpy as np
import pytest
import torch

from infomax.learning.data import load_images, stream_images
from infomax.learning.data.streaming.ahead import streamed


def red(batch):
    """The numbers of the images of a batch, which their colours tell."""
    return (batch[:, 0, 0, 0].long() + 256 * batch[:, 1, 0, 0].long()).tolist()


def taken(stream, num, *how, **options):
    """Images and labels of the first steps."""
    batches = iter(streamed(stream, *how, **options))
    found = [*islice(batches, num)]
    batches.close()
    return found


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_stream_holds_what_is_decoded_once(shards, kind):
    root = shards(5, 1, 8, kind=kind)
    stream = stream_images(root, size=8, window=4)
    whole = load_images(root, size=8, cache=None, progress=False)
    assert len(stream) == len(whole) == 14 and stream.classes == whole.classes
    assert stream.labels.tolist() == whole.labels.tolist() and stream.shape == whole.shape
    numbers = [int(number) for values, _ in taken(stream, 3, 4, 0) for number in red(values)]
    assert len({*numbers}) == 12
    for values, labels in taken(stream, 3, 4, 0):
        np.testing.assert_array_equal(values, whole.batch(np.array(red(values))))
        assert labels.tolist() == [number % 3 for number in red(values)]


@pytest.mark.parametrize("num_ranks", [2, 4])
@pytest.mark.parametrize("counts", [(5, 1, 8, 12), (26,)], ids=["shards", "one shard"])
def test_ranks_see_every_image_once(shards, num_ranks, counts):
    stream = stream_images(shards(*counts), size=8, window=4)
    numbers = [
        number
        for rank in range(num_ranks)
        for values, _ in taken(stream, 6, 4, 0, rank=rank, num_ranks=num_ranks)
        for number in red(values)
    ]
    assert len({*numbers}) == len(numbers) == 24  # of 26: the rest makes no batch


def test_a_stream_goes_on_at_any_step(shards):
    stream = stream_images(shards(5, 1, 8), size=8, window=4)
    whole = taken(stream, 9, 4, 0)
    for step in (1, 2, 3, 7):
        for (values, labels), (again, labels_again) in zip(
            whole[step:], taken(stream, 9 - step, 4, 0, step), strict=True
        ):
            assert torch.equal(values, again) and torch.equal(labels, labels_again)


def test_a_pattern_and_addresses_are_read_like_the_folder(shards, served):
    root = shards(5, 6)
    address = served(root)
    sources = [str(root), f"{root}/part-{{000..001}}.tar", f"{address}/part-{{000..001}}.tar"]
    streams = [stream_images(source, size=8, window=4) for source in sources]
    assert len({one.fingerprint for one in streams}) == 1
    first, *others = [torch.cat([values for values, _ in taken(one, 5, 4, 0)]) for one in streams]
    assert all(torch.equal(first, other) for other in others)
    whole = load_images(sources[2], size=8, cache=None, progress=False)
    assert whole.values[:, 0, 0, 0].tolist() == [*range(11)] and whole.labels[4] == 1


def test_a_broken_image_stops_or_another_one_stands_in(shards):
    root = shards(6, 6, broken=(3, 7))
    with pytest.raises(ValueError, match=r"cannot decode an image .*part-00\d.tar:000[37].*--skip-broken"):
        taken(stream_images(root, size=8, window=4), 3, 4, 0)
    stream = stream_images(root, size=8, window=4, skip_broken=True)
    numbers = [number for values, _ in taken(stream, 3, 4, 0) for number in red(values)]
    assert len(numbers) == 12 and {*numbers} == {*range(12)} - {3, 7}
    assert [one.split(": ")[0] for one in stream.skipped] == ["part-000.tar:0003", "part-001.tar:0007"]
    assert "2 files left out (2 broken)" in str(stream.reading)
    again = [number for values, _ in taken(stream, 2, 4, 0, 1) for number in red(values)]
    assert again == numbers[4:]


def test_nothing_but_broken_images_is_refused(shards):
    stream = stream_images(shards(4, broken=range(4)), size=8, skip_broken=True)
    with pytest.raises(ValueError, match=r"none of 4 images .* can be decoded"):
        taken(stream, 1, 4, 0)


def test_a_shard_that_loses_rows_meanwhile_is_named(shards):
    root = shards(6)
    stream = stream_images(root, size=8)
    (root / "part-000.tar").write_bytes((shards(3, folder="other") / "part-000.tar").read_bytes())
    with pytest.raises(ValueError, match=r"part-000.tar has changed while it was read"):
        taken(stream, 1, 4, 0)


def test_it_says_what_was_read_and_guessed(shards):
    stream = stream_images(shards(5, 6, folder="a"), size=None, window=4)
    assert stream.shape == (3, 32, 32)
    line = str(stream.reading)
    assert "11 images from" in line and "3 classes from the whole numbers of column label" in line
    assert "kept at 32 px" in line and "streamed from 2 shards, 4 in a random order at a time" in line
    plain = stream_images(shards(5, folder="b", labels=False), size=8)
    assert not plain.labelled and plain.num_classes == 0 and plain.labels_at(slice(0, 2)).tolist() == [-1, -1]


def test_labels_of_other_columns_and_of_tables(shards, tmp_path):
    root = shards(4)
    (tmp_path / "l.csv").write_text(
        "name,kind\n" + "".join(f"part-000.tar:{row:04d},k{row % 2}\n" for row in range(4))
    )
    assert stream_images(root, size=8, labels=f"{tmp_path}/l.csv:kind").labels.tolist() == [0, 1, 0, 1]
    assert not stream_images(root, size=8, labels="none").labelled
    with pytest.raises(ValueError, match="no column 'colour'"):
        stream_images(root, size=8, labels="colour")


def test_splits_of_shards(tmp_path, shards):
    root = shards(4, 6)
    (root / "part-001.tar").rename(root / "part-test-001.tar")
    assert [len(stream_images(root, size=8, split=one)) for one in ("train", "test", "all")] == [4, 6, 10]
    with pytest.raises(ValueError, match="no split 'validation'"):
        stream_images(root, size=8, split="validation")


def test_examples_are_spread_over_shards(shards):
    stream = stream_images(shards(5, 6, 7), size=8)
    assert len({*red(stream.examples(6, 0))}) == 6
    assert len(stream.examples(600, 0)) == 18


def test_examples_are_as_many_as_asked_for_where_shards_are_small(shards):
    """A readout is fitted to thousands of images, and eight shards of two have sixteen."""
    stream = stream_images(shards(*[2] * 12), size=8)
    assert [len(stream.examples(num, 0)) for num in (6, 20, 24, 90)] == [6, 20, 24, 24]
    assert [len(one) for one in stream.example_batches(20, 0, 8)] == [8, 8, 4]
    assert len({*red(stream.examples(24, 0))}) == 24


@pytest.mark.parametrize(
    ("source", "how", "message"),
    [
        ([1, 2], {}, r"received a list, expected a file"),
        ("x", {"window": 0}, "window must be at least 1 image"),
    ],
)
def test_what_cannot_be_streamed_is_refused(source, how, message):
    with pytest.raises(ValueError, match=message):
        stream_images(source, size=8, **how)
