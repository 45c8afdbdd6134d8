"""The search of a map finds numbers whole, and other text anywhere."""

import json
import subprocess
from pathlib import Path

import pytest

import infomax.report

SCRIPT = Path(infomax.report.__file__).parent / "templates" / "map.js"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("group 1", [True, False]),
        ("group", [True, True]),
        ("group 1/im", [True, False]),
        ("0/img_1", [False, True]),
    ],
)
def test_names_with_parts_of_a_number_are_found_where_none_has_it_whole(node, text, found):
    names = json.dumps(["group 1/img_10.png", "group 10/img_11.png"])
    code = f"{SCRIPT.read_text()}; console.log(JSON.stringify(namesWith({names}, {json.dumps(text)})))"
    told = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("group 1", "group 1", True),
        ("group 10", "group 1", False),
        ("group 10", "0", False),
        ("group 10", "10", True),
        ("group 10, class 2", "2", True),
        ("group 10", "oup", True),
        ("group 10", "", True),
        ("a (b", "(b", True),
        ("a+", "a.", False),
    ],
)
def test_numbers_are_found_whole(node, name, text, found):
    code = f"{SCRIPT.read_text()}; console.log(hasText({json.dumps(name)}, {json.dumps(text)}))"
    told = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str(found).lower()
