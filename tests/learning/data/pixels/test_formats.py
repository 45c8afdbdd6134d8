"""Files as instruments write them: their depth, channels and pages, against what was written."""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import Dataset as DicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from infomax.learning.data.pixels import formats
from infomax.learning.data.pixels.seeing import see


def tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def values_in(data, channels, pages="first"):
    seen = see(data, channels=channels, pages=pages, whole=True, at_least=1)
    return seen if isinstance(seen, np.ndarray) else np.asarray(seen)


def noise(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 4096, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize(
    ("shape", "last", "options"),
    [
        ((2, 6, 8), False, {"ome": True, "metadata": {"axes": "CYX"}}),
        ((5, 6, 8), False, {"planarconfig": "separate", "photometric": "minisblack"}),
        ((6, 8, 13), True, {"planarconfig": "contig", "photometric": "minisblack"}),
        ((6, 8, 2), True, {"planarconfig": "contig", "photometric": "minisblack", "compression": "zlib"}),
    ],
)
def test_channels_of_any_number_and_type_are_kept(shape, last, options, dtype):
    planes = noise(*shape, dtype=dtype)
    expected = planes if last else np.moveaxis(planes, 0, -1)
    found = values_in(tiff(planes, **options), expected.shape[-1])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_slices_are_pages_and_channels_are_channels():
    stack = noise(3, 2, 6, 8)  # as ImageJ has it: 3 slices of 2 channels
    data = tiff(stack, imagej=True, metadata={"axes": "ZCYX"})
    for pages, expected in {
        "first": stack[0],
        "3": stack[2],
        "1,3": stack[[0, 2]].reshape(4, 6, 8),
        "channels": stack.reshape(6, 6, 8),
    }.items():
        found = values_in(data, len(expected), pages)
        np.testing.assert_array_equal(found, np.moveaxis(expected, 0, -1))
    with pytest.raises(ValueError, match="received 3 pages, expected at least 4, as --pages 4 says"):
        values_in(data, 2, "4")


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "TZYX"])
def test_the_order_of_axes_does_not_matter(axes):
    stack = noise(4, 3, 6, 8)
    data = tiff(stack, ome=True, metadata={"axes": axes})
    first = {"ZCYX": stack[0], "CZYX": stack[:, 0], "TZYX": stack[0, :1]}[axes]
    np.testing.assert_array_equal(values_in(data, len(first)), np.moveaxis(first, 0, -1))


def test_pages_without_a_name_are_channels_only_if_asked():
    pages = noise(5, 6, 8)
    data = tiff(pages, metadata=None, photometric="minisblack")
    np.testing.assert_array_equal(values_in(data, 5, "channels"), np.moveaxis(pages, 0, -1))
    np.testing.assert_array_equal(values_in(data, 1).reshape(6, 8), pages[0])
    np.testing.assert_array_equal(values_in(data, 1, "2").reshape(6, 8), pages[1])
    with pytest.raises(ValueError, match=r"1 channel \(of 5 pages\), expected 5; take its pages as channels"):
        values_in(data, 5)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_colours_keep_sixteen_bits(compression):
    colours = noise(6, 8, 3)
    data = tiff(colours, photometric="rgb", compression=compression)
    np.testing.assert_array_equal(values_in(data, 3), colours)
    np.testing.assert_array_equal(values_in(imagecodecs.png_encode(colours), 3), colours)


@pytest.mark.parametrize("how", [{"ome": True}, {"imagej": True}, {}])
def test_other_channels_are_named_with_the_remedy(how):
    """Whatever program named the axes; the first channel is not taken for the image."""
    with pytest.raises(
        ValueError,
        match=r"received 2 channels, expected 3; ask for 2 channels, here with --views.mean 0.5,0.5 ",
    ):
        values_in(tiff(noise(2, 6, 8), metadata={"axes": "CYX"}, **how), 3)
    with pytest.raises(ValueError, match=r"received 13 channels, expected 5; ask for 13 channels"):
        values_in(tiff(noise(6, 8, 13), planarconfig="contig", photometric="minisblack"), 5)
    with pytest.raises(
        ValueError, match=r"\[8, 8, 5\], expected .* 1 \(grey\), 3 or 4 .*--views.mean 0.5,0.5.*channels=5"
    ):
        see(np.zeros((8, 8, 5), np.uint8), channels=3, pages="first", whole=True, at_least=1)


def test_frames_of_an_animation_are_pages(encode):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert [values_in(data, 3, page)[0, 0].tolist() for page in "123"] == [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
    ]


def dicom(values, intercept):
    file = DicomDataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = CTImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.Rows, file.Columns, file.SamplesPerPixel = *values.shape, 1
    file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME2", 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.RescaleSlope, file.RescaleIntercept = 1, intercept
    file.PixelData = values.tobytes()
    target = io.BytesIO()
    pydicom.dcmwrite(target, file, enforce_file_format=True)
    return target.getvalue()


def test_dicom_holds_what_it_measures():
    stored = noise(6, 8)
    found = values_in(dicom(stored, -1024), 1)
    np.testing.assert_array_equal(found[..., 0], stored.astype(float) - 1024)


def test_heic_is_read(encode):
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (16, 16), (120, 120, 120))).save(file)
    assert np.abs(values_in(file.getvalue(), 3).astype(int) - 120).max() <= 2


@pytest.mark.parametrize(
    ("data", "package", "what"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(8), "pillow_heif", "HEIC"),
        (bytes(128) + b"DICM", "pydicom", "DICOM"),
        (b"ZISRAWFILE", "czifile", "CZI"),
        (tiff(noise(6, 8, 5), planarconfig="contig", photometric="minisblack"), "tifffile", "TIFF"),
        (imagecodecs.png_encode(noise(6, 8, 3)), "imagecodecs", "16 bits of a colour PNG"),
    ],
)
def test_the_package_that_is_missing_is_named(monkeypatch, data, package, what):
    monkeypatch.setattr("infomax.errors.find_spec", lambda name: None if name == package else True)
    channels = 5 if package == "tifffile" else 3
    message = rf"{what}.*: needs {package}, which is not installed; pip install 'infomax\[formats\]'"
    with pytest.raises(ValueError, match=message):
        formats.read_file(data, channels, "first", whole=True, at_least=1)


@pytest.mark.parametrize("shape", [(8, 8, 13), (13, 8, 8), (20, 16, 13)])
def test_an_array_with_other_channels_is_told_the_options_for_its_own_number(tmp_path, load, shape):
    np.save(tmp_path / "tile.npy", np.ones(shape, np.uint16))
    for channels in (3, 4):
        with pytest.raises(formats.OtherChannels, match=r"ask for 13 .*--views.mean (0.5,){12}0.5 "):
            load(tmp_path, channels=channels)
