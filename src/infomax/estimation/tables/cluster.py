"""Pairs of columns measured by the workers of a Dask cluster."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from infomax.errors import needs, refuse

SECONDS_TO_CONNECT = 10


@contextmanager
def on_cluster(address: str | None) -> Generator[None]:
    """Let joblib spread its tasks over the workers of a Dask cluster; without an address, over cores here.

    What is lost with a worker is done again by others, see `lost_work`. The workers need infomax, of the same
    version.

    Args:
        address: of the scheduler, ``tcp://HOST:PORT``.

    Raises:
        MissingExtra: the package `distributed` is not installed.
        ValueError: no scheduler answers there.
    """
    if address is None:
        yield
        return
    needs("distributed", extra="cluster", operation=f"measure: --scheduler {address}")
    from distributed import Client
    from joblib import parallel_config

    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"measure: no Dask scheduler answers at {address} ({error}); start one by `dask scheduler`, and "
            "workers by `dask worker ADDRESS`"
        ) from error
    with client, parallel_config(backend="dask"):
        refuse(
            not client.scheduler_info()["workers"],
            f"measure: the Dask cluster at {address} has no workers; start some by `dask worker {address}`",
        )
        yield


def lost_work() -> tuple[type[BaseException], ...]:
    """Return the errors of work that a cluster lost with a worker; none where no cluster is in use.

    Dask repeats tasks, but not the columns that a lost worker held, which joblib sends to one worker each.
    """
    if "distributed" not in sys.modules:
        return ()
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return FutureCancelledError, KilledWorker
