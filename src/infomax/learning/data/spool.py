"""Decoded values without a cache: in memory or, beyond a limit, in a temporary file."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from infomax.learning.data.gathering import (
    INDEX,
    Block,
    Gathered,
    Job,
    check_any,
    check_room,
    gather,
    showing,
)
from infomax.memory import total_memory


def gathered(job: Job, memory_limit: int) -> Gathered:
    """Return what was decoded, its values in memory if they take no more than `memory_limit` bytes.

    Raises:
        ValueError: as `gather`; nothing left.
    """
    check_room(job, tempfile.gettempdir(), memory_limit)
    spool, indices = Spool(memory_limit), []

    def write(block: Block) -> None:
        spool.write(block.values.data)
        indices.append(block.index)

    with showing(job) as passed:
        summary = gather(job.source.items(job.split), job, write, passed)
    check_any(job, summary.shape, summary.skipped)
    values = spool.array(summary.shape, job.decoder.dtype)
    return Gathered(summary, values, pa.Table.from_batches(indices, INDEX))


class Spool:
    """Bytes that grow: in memory up to `limit`, then in a temporary file that ends with the process."""

    def __init__(self, limit: int):
        self._limit, self._memory, self._file = limit, bytearray(), None

    def write(self, data: memoryview) -> None:
        """Append the bytes of `data`."""
        if self._file is None and len(self._memory) + data.nbytes > self._limit:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the mapping
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._file.write(data)

    def array(self, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        """Return what was written, read-only."""
        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file, dtype, "r", shape=shape)
        array = np.frombuffer(self._memory, dtype).reshape(shape)
        array.flags.writeable = False
        return array


def default_memory_limit() -> int:
    """Return 40 % of the memory that is available now (where the system does not tell: of all memory)."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(0.4 * 1024 * int(fields["MemAvailable"].split()[0]))
    return int(0.4 * total_memory())
