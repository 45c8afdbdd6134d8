"""Exact information, side by side with its peers, in one run on one machine.

    OMP_NUM_THREADS=1 python benchmarks/information.py          # prints the table
    OMP_NUM_THREADS=1 python benchmarks/information.py --save   # and writes benchmarks/results/information.*

Times are processor time of one thread, so that other work on the machine does not count.
Peers that are not installed (`pip install dit pyitlib`) have no figure. Slow peers are timed on a few
tables, and times are given a table. How far the values differ from infomax's stands beside each time.
"""

import importlib.util
import math
import statistics
import time

import numpy as np
import scipy.stats
import sklearn.metrics
import torch

from infomax.information.channels.channel import Channel
from infomax.information.channels.rate_distortion import rate_distortion
from infomax.information.measures import mutual_information
from recording import arguments_of, environment, report


def seconds(function, *, repeats=7):
    """The median processor time of a call, after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def bare_formula(p):
    return np.sum(p * np.log(p / (p.sum(-1, keepdims=True) * p.sum(-2, keepdims=True))), axis=(-2, -1))


def by_scipy(p):
    h = scipy.stats.entropy
    return h(p.sum(1)) + h(p.sum(0)) - h(p.ravel())


def by_scikit_learn(p):
    counts = np.rint(p * 1e9)  # it takes counts only: so fine that the rounding does not show
    return sklearn.metrics.mutual_info_score(None, None, contingency=counts)


def by_dit(p):
    import dit

    outcomes = [f"{i:04d}{j:04d}" for i, j in np.ndindex(p.shape)]
    joint = dit.Distribution([(o[:4], o[4:]) for o in outcomes], p.ravel().tolist())
    return dit.shannon.mutual_information(joint, [0], [1]) * math.log(2)


def by_pyitlib(p):
    from pyitlib import discrete_random_variable as drv

    h = drv.entropy_pmf
    return (h(p.sum(1)) + h(p.sum(0)) - h(p.ravel())) * math.log(2)


PEERS = {  # name: (function of one table, module, how many tables are timed)
    "scipy.stats.entropy, a loop": (by_scipy, "scipy", 500),
    "sklearn mutual_info_score, a loop": (by_scikit_learn, "sklearn", 500),
    "pyitlib entropy_pmf, a loop": (by_pyitlib, "pyitlib", 200),
    "dit Distribution and mutual_information, a loop": (by_dit, "dit", 20),
}


def many_tables(num_tables=10_000, side=16):
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.ones(side * side), size=num_tables).reshape(num_tables, side, side)
    exact = mutual_information(tables)
    as_tensor = torch.from_numpy(tables)
    rows = []
    for name, function in [
        ("infomax, NumPy, checked", lambda: mutual_information(tables)),
        ("infomax, Torch, checked", lambda: mutual_information(as_tensor)),
        ("bare NumPy formula, unchecked", lambda: bare_formula(tables)),
    ]:
        error = np.abs(np.asarray(function()) - exact).max()
        rows.append(row(name, seconds(function) / num_tables, error))
    for name, (function, module, num_timed) in PEERS.items():
        rows.append(peer_row(name, function, module, tables[:num_timed], exact))
    return rows


def one_table(side=2000):
    p = np.random.default_rng(1).dirichlet(np.ones(side * side)).reshape(side, side)
    exact = float(mutual_information(p))
    rows = []
    for name, function in [
        ("infomax, NumPy, checked", mutual_information),
        ("bare NumPy formula, unchecked", bare_formula),
        ("scipy.stats.entropy", by_scipy),
        ("sklearn mutual_info_score", by_scikit_learn),
    ]:
        rows.append(row(name, seconds(lambda f=function: f(p), repeats=3), abs(float(function(p)) - exact)))
    return rows


def row(name, time_each, error):
    return {"name": name, "seconds": time_each, "differs by at most": float(error)}


def peer_row(name, function, module, tables, exact):
    if importlib.util.find_spec(module) is None:
        return {"name": name, "seconds": None, "differs by at most": None}
    error = max(abs(float(function(p)) - e) for p, e in zip(tables, exact, strict=False))
    start = time.process_time()
    for p in tables:
        function(p)
    return row(name, (time.process_time() - start) / len(tables), error)


# ------------------------------------------------------------------ capacity


def blahut_arimoto(transition, num_steps):
    p = np.full(len(transition), 1 / len(transition))
    for _ in range(num_steps):
        p = p * np.exp(np.sum(transition * np.log(transition / (p @ transition)), axis=1))
        p /= p.sum()
    return p


def gap_in_bits(transition, p):
    """The width of the bracket I(p) ≤ C ≤ max_x D(P(·|x)‖q) that an input certifies."""
    divergences = np.sum(transition * np.log2(transition / (p @ transition)), axis=1)
    return float(divergences.max() - p @ divergences)


def capacity(side=200):
    transition = np.random.default_rng(2).dirichlet(np.ones(side), size=side)
    channel = Channel(transition)
    result = channel.capacity(base=2)
    rows = [
        {
            "name": "infomax, certified 1e-9 bits",
            "seconds": seconds(lambda: channel.capacity(base=2)),
            "capacity, bits": result.lower,
            "gap, bits": result.upper - result.lower,
            "iterations": result.iterations,
        }
    ]
    for num_steps in (100, 1000):
        p = blahut_arimoto(transition, num_steps)
        rows.append(
            {
                "name": f"plain Blahut–Arimoto, {num_steps} steps",
                "seconds": seconds(lambda n=num_steps: blahut_arimoto(transition, n), repeats=1),
                "capacity, bits": float(Channel(transition).mutual_information(p, base=2)),
                "gap, bits": gap_in_bits(transition, p),
                "iterations": num_steps,
            }
        )
    return [*rows, dit_capacity(transition)]


def dit_capacity(transition):
    name = "dit channel_capacity"
    if importlib.util.find_spec("dit") is None:
        return {"name": name, "seconds": None}
    from dit.algorithms.channelcapacity import channel_capacity

    bits, p = channel_capacity(transition)
    elapsed = seconds(lambda: channel_capacity(transition), repeats=3)
    return {
        "name": name,
        "seconds": elapsed,
        "capacity, bits": float(bits),
        "gap, bits": gap_in_bits(transition, p),
    }


def rate_distortion_curve(num_letters=64):
    x = np.linspace(-4, 4, num_letters)
    source = np.exp(-(x**2) / 2)
    source /= source.sum()
    squared = (x[:, None] - x) ** 2

    def curve():
        return rate_distortion(source, squared, slopes=np.geomspace(200, 0.2, 50), base=2)

    result = curve()
    gap = float(np.max(result.upper - result.lower))
    return [
        {
            "name": "infomax, 50 slopes, certified",
            "seconds": seconds(curve, repeats=3),
            "widest gap, bits": gap,
        }
    ]


# ------------------------------------------------------------------ report

SECTIONS = {
    "I(X;Y) of 10,000 tables 16×16, time a table": many_tables,
    "I(X;Y) of one table 2000×2000": one_table,
    "Capacity of a random channel 200×200": capacity,
    "R(D), 64 letters, squared error": rate_distortion_curve,
}


def main():
    arguments = arguments_of(__doc__)
    torch.set_num_threads(1)
    about = environment("numpy", "scipy", "scikit-learn", "torch", "dit", "pyitlib")
    results = {title: section() for title, section in SECTIONS.items()}
    report("information", "Exact information beside its peers", about, results, arguments)


if __name__ == "__main__":
    main()
