"""Do tests given numbers hold their level, and do they find a direct effect?

    python benchmarks/conditional_tests.py --save                          # half an hour
    python benchmarks/conditional_tests.py --only "sum of 3, noise 0.3" --save --overwrite   # one row anew

x and y are the same function of m causes z, each with its own noise. In the second table, the direct effect
times the noise of x is added to the noise of y. Each number is the share of p ≤ 0.05 among the tests that
were not refused. The tests are: |ρ| and KSG given z against `Residuals`, the null given numbers; |ρ| against
`NearRows(5)`; KSG for the noise itself, which no test knows, shuffled within the same cells. This is an exact
test of the same samples, to distinguish chance from faults. The last is the t-test of partial correlation,
which is valid if the function is a sum.

refused: share of samples in which `Residuals` gives no p-value. commit: of the code that a row was measured
with.
"""

import time

import numpy as np
from scipy.stats import t as student

from infomax.estimation import KSG, Estimate
from infomax.estimation.resampling.conditional import NearRows, Residuals, cells_of
from infomax.estimation.resampling.nulls import WithinGroups
from infomax.estimation.resampling.permutation import permutation_test
from recording import arguments_of, environment, recorded, report

FUNCTIONS = {
    "sum": lambda z: z.sum(axis=1),
    "steps": lambda z: np.sign(z).sum(axis=1),
    "sizes": lambda z: np.abs(z).sum(axis=1),
    "slanting step": lambda z: np.sqrt(2) * np.sign(z.sum(axis=1)),
}
LEVELS = (
    *(("sum", m, noise) for noise in (0.3, 0.5) for m in (1, 3, 6)),
    ("steps", 1, 0.3),
    ("steps", 3, 0.3),
    ("sizes", 1, 0.3),
    ("slanting step", 2, 0.3),
)
POWERS = (("sum", 1, 0.3), ("sum", 3, 0.3), ("steps", 1, 0.3))
LEVEL, POWER = "Share of p ≤ 0.05 without a direct effect", "Share of p ≤ 0.05 with a direct effect"


class Correlation:
    """|ρ| of x and y, whatever is given."""

    def estimate(self, x, y, *, given=None):
        return Estimate(abs(float(np.corrcoef(x, y)[0, 1])), 0.0, len(x))


TESTS = {
    "|ρ|": (Correlation(), Residuals()),
    "KSG": (KSG(num_workers=1), Residuals()),
    "|ρ|, near rows": (Correlation(), NearRows(5)),
}
NOISE_ALONE = "KSG, the noise itself"


def samples(function, num_causes, noise, direct, num, seed):
    rng = np.random.default_rng([21, seed])
    z = rng.standard_normal((num, num_causes))
    mean, (x, y) = FUNCTIONS[function](z) / np.sqrt(num_causes), noise * rng.standard_normal((2, num))
    y = y + direct * x
    return mean + x, mean + y, z, x, y


def partial_correlation(x, y, z):
    """p of the t-test of the correlation of what lines leave."""
    design = np.column_stack([np.ones(len(z)), z])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    correlation, free = np.corrcoef(*left)[0, 1], len(z) - design.shape[1] - 1
    return 2 * student.sf(abs(correlation) * np.sqrt(free / (1 - correlation**2)), free)


def row(setting, direct, arguments, repeats):
    """Shares over repeats; residuals are computed once for both statistics."""
    function, num_causes, noise = setting
    found = {name: [] for name in (*TESTS, NOISE_ALONE, "partial correlation")}
    for seed in range(repeats):
        x, y, z, *noises = samples(function, num_causes, noise, direct, arguments.samples, seed)
        found["partial correlation"].append(partial_correlation(x, y, z) <= 0.05)
        how = {"given": z, "num_permutations": arguments.shuffles, "seed": seed, "num_workers": 1}
        for name, p in {**p_values(x, y, **how), NOISE_ALONE: of_noise(*noises, **how)}.items():
            found[name].append(p <= 0.05 + 1e-9)
    number = len(found["|ρ|"])
    shares = {name: float(np.mean(values)) if values else None for name, values in found.items()}
    if function != "sum":
        shares["partial correlation"] = None
    about = {"direct effect": direct, "n": arguments.samples, "repeats": repeats}
    return {"z": named(setting), **about, **shares, "refused": 1 - number / repeats}


def p_values(x, y, **how):
    """p of each test; none of a test that is refused."""
    found = {}
    for name, (estimator, null) in TESTS.items():
        try:
            found[name] = permutation_test(x, y, estimator, null=null, **how).p_value
        except ValueError as error:
            if "still follows given" not in str(error):
                raise
    return found


def of_noise(x, y, *, given, **how):
    cells = WithinGroups(cells_of(given, Residuals().cell_size))
    return permutation_test(x, y, KSG(num_workers=1), given=given, null=cells, **how).p_value


def named(setting):
    function, num_causes, noise = setting
    return f"{function} of {num_causes}, noise {noise}"


def measured(arguments, commit):
    """Both tables, with rows measured anew unless --only names another one."""
    tables = {
        LEVEL: (LEVELS, 0.0, arguments.repeats),
        POWER: (POWERS, arguments.direct, arguments.power_repeats),
    }
    found = {}
    for name, (settings, direct, repeats) in tables.items():
        rows = {old["z"]: old for old in recorded("conditional_tests").get(name, [])}
        for setting in settings:
            z = named(setting)
            if arguments.only in ("", f"{z}, direct" if direct else z):
                start = time.perf_counter()
                made = row(setting, direct, arguments, repeats)
                minutes = round((time.perf_counter() - start) / 60, 1)
                rows[z] = {**made, "minutes": minutes, "commit": commit}
        found[name] = [rows[named(s)] for s in settings if named(s) in rows]
    return found


def main():
    arguments = arguments_of(
        __doc__, samples=1_000, repeats=200, power_repeats=60, shuffles=39, only="", direct=0.25
    )
    about = environment("numpy", "scipy", "scikit-learn")
    about["settings"] = f"{arguments.samples} rows, {arguments.shuffles} shuffles a test"
    report("conditional_tests", "Tests given numbers", about, measured(arguments, about["commit"]), arguments)


if __name__ == "__main__":
    main()
