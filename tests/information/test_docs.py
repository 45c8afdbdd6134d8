"""The page and the example say what is true."""

import doctest
import os
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np

ROOT = Path(__file__).parents[2]


def test_every_value_on_the_page():
    failed, tried = doctest.testfile(str(ROOT / "docs/information.md"), module_relative=False)
    assert tried > 50 and failed == 0


def test_the_example_runs_and_its_ridge_is_the_capacity():
    matplotlib.use("Agg")
    names = runpy.run_path(str(ROOT / "examples/information/from_coin_to_channel.py"))
    ridge = names["information"].max(axis=1)
    np.testing.assert_allclose(ridge, names["capacities"], atol=1e-3)


def test_importing_the_rung_imports_no_torch():
    code = (
        "import sys, infomax, infomax.information.measures, infomax.information.channels.channel, "
        "infomax.information.channels.rate_distortion, infomax.information.channels.bottleneck, "
        "infomax.information.beyond_normal; "
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
