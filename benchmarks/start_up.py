"""How long until `infomax` answers?

    python benchmarks/start_up.py        # half a minute; --save keeps the results

Goals: `import infomax` in 0.2 s, `infomax --help` in 0.5 s. Each command is run in turn, in a process of its
own, with everything in the file cache; the median of the turns is told.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from recording import arguments_of, environment, report

COMMAND = Path(sys.executable).parent / "infomax"

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import infomax": [sys.executable, "-c", "import infomax"],
    "infomax --help": [COMMAND, "--help"],
    "infomax recipes": [COMMAND, "recipes"],
    "infomax measure --help": [COMMAND, "measure", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
    "import lightning": [sys.executable, "-c", "import lightning"],
}


def main():
    arguments = arguments_of(__doc__, turns=9)
    seconds = {name: [] for name in COMMANDS}
    for _ in range(arguments.turns + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    own = medians["python -c pass"]
    rows = [
        {"command": name, "s": median, "beyond Python, s": median - own} for name, median in medians.items()
    ]
    about = environment("torch", "lightning")
    report("start_up", "How long until it answers", about, {"Start-up": rows}, arguments)


if __name__ == "__main__":
    main()
