"""Fuzz a parser with atheris, which watches which branches an input reaches: ``parsers.py NAME [options]``.

``--names`` lists the parsers. Options are libFuzzer's: ``-max_total_time=60``, ``-runs=100000``, a file to
repeat. An undocumented error, a NaN or 5 seconds for one input end it, and the input is kept.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.trust.fuzzing import TARGETS, outcome


def main():
    if sys.argv[1:] == ["--names"]:
        print(*TARGETS)
        return
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    with atheris.instrument_imports(include=["infomax"]):
        for seed in target.seeds():
            outcome(target, seed)  # which imports what reads it
    atheris.Setup([sys.argv[0], "-timeout=10", *options], lambda content: outcome(target, content))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
