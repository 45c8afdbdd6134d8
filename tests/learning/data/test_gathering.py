"""Gathering: broken items, threads and progress."""

import io
import logging
import struct
import zlib

import numpy as np
import pytest
import tifffile

from infomax.learning.data import gathering, load_images


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a huge image."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def broken_files(encode) -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return {
        "empty.png": (b"", "the file is empty \\(0 bytes\\)"),
        "text.jpg": (b"this is not an image at all", "not an image in a format that Pillow reads"),
        "cut.png": (encode(noise)[:2000], "truncated|broken"),
        "cut.jpg": (encode(noise, "JPEG")[:1000], "truncated"),
        "cut.webp": (encode(noise, "WEBP")[:300], "."),
        "flipped.png": (encode(noise)[:100] + b"\xff" * 900 + encode(noise)[1000:], "."),
        "bomb.png": (png_of_size(40_000, 40_000), "exceeds limit of .* pixels.*decompression bomb"),
        "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image in a format"),
    }


@pytest.mark.parametrize("name", sorted(broken_files(lambda *a, **k: b"")))
def test_a_broken_file_is_named_with_the_reason_and_the_remedy(load, write, encode, random_pixels, name):
    content, why = broken_files(encode)[name]
    write("photos/cats/a.png", random_pixels(0, 8, 8, 3))
    folder = write(f"photos/cats/{name}", content).parent.parent
    with pytest.raises(
        ValueError, match=rf"load_images: cannot decode an image of .*photos: cats/{name}: .*{why}"
    ) as error:
        load(folder)
    assert "repair or remove it, or leave broken images out with --skip-broken" in str(error.value)


def test_skip_broken_leaves_out_counts_and_lists(load, write, encode, random_pixels):
    for name, (content, _) in broken_files(encode).items():
        write(f"photos/{name}", content)
    for number in range(70):
        folder = write(f"photos/good{number:02d}.png", random_pixels(number, 8, 8, 3)).parent
    loaded = load(folder, skip_broken=True)
    assert len(loaded) == 70 and len(loaded.skipped) == 8
    assert sorted(line.split(": ")[0] for line in loaded.skipped) == sorted(broken_files(encode))
    expected = [random_pixels(number, 8, 8, 3) for number in range(70)]
    np.testing.assert_array_equal(loaded.values, expected)
    assert list(loaded.names) == [f"good{number:02d}.png" for number in range(70)]


def test_nothing_but_broken_images_is_an_error(load, write):
    folder = write("photos/a.png", b"nonsense").parent
    with pytest.raises(
        ValueError, match=r"all 1 images are broken \(first: a.png: .*\); expected at least one image"
    ):
        load(folder, skip_broken=True)


def test_the_result_does_not_depend_on_the_number_of_threads(load, same, pets, monkeypatch):
    folder, _ = pets
    expected = load(folder)
    monkeypatch.setattr(gathering, "MAX_SECONDS_ALONE", 0.0)
    monkeypatch.setattr(gathering.os, "cpu_count", lambda: 7)
    assert same(load(folder), expected)


def test_progress_goes_to_stderr_only(pets, capsys):
    load_images(pets[0], size=8, cache=None)
    captured = capsys.readouterr()
    assert captured.out == "" and "decoding" in captured.err and "100/100" in captured.err


def test_other_channels_are_no_broken_image(load, write, random_pixels):
    data = io.BytesIO()
    tifffile.imwrite(data, random_pixels(0, 8, 8, 13), planarconfig="contig", photometric="minisblack")
    folder = write("tiles/a.tif", data.getvalue()).parent
    with pytest.raises(
        ValueError, match=r"a.tif of .*tiles: received 13 .*--views.mean 0.5,0.5.*such out"
    ) as error:
        load(folder)
    assert "repair" not in str(error.value)
    silent = [isinstance(handler, logging.NullHandler) for handler in logging.getLogger("PIL").handlers]
    assert any(silent)  # Pillow logs an error for each such file
