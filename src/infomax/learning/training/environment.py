"""The environment of a result: versions, commit, machine and date."""

import platform
import subprocess  # nosec B404 # runs git, without a shell
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import infomax

LIBRARIES = ("torch", "lightning", "kornia", "datasets", "numpy", "scikit-learn")


def environment() -> dict[str, Any]:
    """Return versions, commit, machine and date, by name."""
    import torch

    return {
        "date": now(),
        "infomax": infomax.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def now() -> str:
    """Return date and time (UTC), to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """Return the commit of the source tree that this runs from, if it is one."""
    try:
        result = subprocess.run(  # nosec B603 B607 # nothing of a user's is in the command
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return result.stdout.strip() or None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
