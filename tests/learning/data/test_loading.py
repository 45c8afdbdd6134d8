"""The public functions: options that are refused, and what both kinds of data share."""

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"load_images: size must be at least 1 pixel, got 0; give a side or \(height, width\)"),
        (
            {"channels": 0},
            r"load_images: channels must be at least 1, got 0; give 3 \(colour\), 1 \(grey\), or",
        ),
    ],
)
def test_impossible_sizes_are_refused(load, options, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **options)


def test_an_unknown_split_lists_those_there_are(load):
    with pytest.raises(ValueError, match=r"data: digits has no split 'dev'; expected one of: train, test"):
        load("digits", split="dev")
