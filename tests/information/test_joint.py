"""Joint: its language, its errors and its identities."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from infomax.information.divergences import kl_divergence
from infomax.information.joint import Joint
from infomax.information.measures import (
    conditional_mutual_information,
    entropy,
    interaction_information,
    mutual_information,
)

XOR = Joint([[[1 / 4, 0], [0, 1 / 4]], [[0, 1 / 4], [1 / 4, 0]]], "x y z")
TABLE = np.random.default_rng(0).dirichlet(np.ones(24)).reshape(2, 3, 4)
JOINT = Joint(TABLE, "x y z")


def test_expressions_name_the_measures():
    assert float(JOINT.H("x")) == pytest.approx(float(entropy(TABLE.sum((1, 2)))))
    assert float(JOINT.H("x, y, z")) == pytest.approx(float(entropy(TABLE.ravel())))
    assert float(JOINT.H("y | x, z")) == pytest.approx(
        float(entropy(TABLE.ravel()) - entropy(TABLE.sum(1).ravel()))
    )
    assert float(JOINT.I("x ; y")) == pytest.approx(float(mutual_information(TABLE.sum(2))))
    assert float(JOINT.I("x;y|z")) == pytest.approx(float(conditional_mutual_information(TABLE)))
    assert float(JOINT.I("x z ; y", base=2)) == pytest.approx(
        float(mutual_information(TABLE.swapaxes(1, 2).reshape(8, 3), base=2))
    )
    assert float(JOINT.I("x ; x")) == pytest.approx(float(JOINT.H("x")))
    assert float(JOINT.H("x | x")) == pytest.approx(0, abs=1e-15)
    assert JOINT.I("x, y ; z").symbol == "I(x, y ; z)"


def test_chain_rules():
    assert float(JOINT.H("x, y, z")) == pytest.approx(JOINT.H("x") + JOINT.H("y | x") + JOINT.H("z | x, y"))
    assert float(JOINT.I("x, y ; z")) == pytest.approx(JOINT.I("x ; z") + JOINT.I("y ; z | x"))


def test_a_quantity_is_a_number():
    h = Joint([1 / 2, 1 / 2], "x").H("x", base=2)
    assert (h + 1, 1 + h, h - 1, 3 - h, 2 * h, h * 2, h / 2, -h, abs(h)) == (2, 2, 0, 2, 2, 2, 0.5, -1, 1)
    assert h == 1 and h < 2 and h <= 1 and h > 0 and h >= 1 and h + h == 2
    assert f"{h:.2f}" == "1.00" and f"{h}" == "H(x) = 1"
    np.testing.assert_allclose(h, 1.0)


def test_derivations_are_printed():
    quarters = "-(1/4 log2 1/4 + 1/4 log2 1/4 + 1/4 log2 1/4 + 1/4 log2 1/4) = 2\n"
    some, none = "1/4 log2 1/4", "0 log2 0"
    zeros = f"-({' + '.join([some, none, none, some, none, some, some, none])})"
    assert XOR.I("x ; y | z", base=2).explain() == (
        "I(x ; y | z) = H(x, z) + H(y, z) - H(x, y, z) - H(z)\n"
        f"  H(x, z)    = {quarters}"
        f"  H(y, z)    = {quarters}"
        f"  H(x, y, z) = {zeros} = 2, with 0 log 0 = 0\n"
        "  H(z)       = -(1/2 log2 1/2 + 1/2 log2 1/2) = 1\n"
        "I(x ; y | z) = 2 + 2 - 2 - 1\n"
        "             = 1 bit"
    )
    assert XOR.H("x", base=10).explain().endswith("= 0.30103 in base 10")


def test_an_entropy_is_derived_term_by_term():
    """The three examples of the document from which the project grew."""
    fair, unfair = Joint([1 / 2, 1 / 2], "coin"), Joint([3 / 4, 1 / 4], "coin")
    assert fair.H("coin", base=2).explain() == (
        "H(coin) = -Σ p(coin) log2 p(coin)\n"
        "        = -(1/2 log2 1/2 + 1/2 log2 1/2)\n"
        "        = -(1/2 × -1 + 1/2 × -1)\n"
        "        = 0.5 + 0.5\n"
        "        = 1 bit"
    )
    assert unfair.H("coin", base=2).explain() == (
        "H(coin) = -Σ p(coin) log2 p(coin)\n"
        "        = -(3/4 log2 3/4 + 1/4 log2 1/4)\n"
        "        = -(3/4 × -0.415037 + 1/4 × -2)\n"
        "        = 0.311278 + 0.5\n"
        "        = 0.811278 bits"
    )
    die = Joint([1 / 2, 1 / 4, 0, 0, 1 / 8, 1 / 8], "die")
    assert die.H("die", base=2).explain() == (
        "H(die) = -Σ p(die) log2 p(die)\n"
        "       = -(1/2 log2 1/2 + 1/4 log2 1/4 + 0 log2 0 + 0 log2 0 + 1/8 log2 1/8 + 1/8 log2 1/8)\n"
        "       = -(1/2 × -1 + 1/4 × -2 + 0 + 0 + 1/8 × -3 + 1/8 × -3), with 0 log 0 = 0\n"
        "       = 0.5 + 0.5 + 0 + 0 + 0.375 + 0.375\n"
        "       = 1.75 bits"
    )


@pytest.mark.parametrize(
    "expression", ["x", "x, y", "x | y", "x | x", "x ; y", "x ; x", "x ; y ; z", "y ; z | x"]
)
@pytest.mark.parametrize("base", [2, math.e, 10, 3])
def test_nothing_is_explained_by_itself(expression, base):
    quantity = (JOINT.I if ";" in expression else JOINT.H)(expression, base=base)
    lines = quantity.explain().split("\n")
    assert lines[-1].split(" = ")[1].startswith(f"{round(float(quantity), 12) + 0.0:.6g}")
    assert {2: "log2", math.e: "ln", 10: "log10", 3: "log3"}[base] in quantity.explain()
    for line in lines:
        left, *rights = (side.strip() for side in line.split(" = "))
        assert left not in rights


def test_what_is_long_is_cut_short_and_batches_are_explained_by_formula():
    long = Joint(np.full(100, 1 / 100), "x").H("x").explain()
    assert "… 85 terms …" in long and max(map(len, long.split("\n"))) < 400
    sure = Joint([1.0], "x").H("x", base=2).explain()
    assert sure == "H(x) = -Σ p(x) log2 p(x)\n     = -(1 log2 1)\n     = -(1 × 0)\n     = 0 bits"
    batch = Joint(np.full((3, 2, 2), 1 / 4), "... x y")
    assert batch.H("x").explain() == "H(x) = -Σ p(x) ln p(x)\n     = <(3,)> nats"
    assert "H(x, y) = -Σ p(x, y) ln p(x, y) = <(3,)>" in batch.I("x ; y").explain()


def test_sums_are_cut_after_their_sixteenth_term():
    whole = Joint(np.arange(1, 17) / 136, "x").H("x").explain()
    cut = Joint(np.arange(1, 18) / 153, "x").H("x").explain()
    assert "…" not in whole and whole.split("\n")[3].count("+") == 15
    *_, sums, value = cut.split("\n")
    surprises = [f"{round(-p * math.log(p), 12):.6g}" for p in np.arange(1, 18) / 153]
    assert sums.split(" = ")[1] == " + ".join([*surprises[:14], "… 2 terms …", surprises[-1]])
    assert value.endswith("nats")


def test_quantities_are_compared_as_numbers():
    x, y, z = XOR.H("x"), XOR.H("y"), XOR.H("x, y")
    assert not x < y and not x > y and x <= y and x >= y and x < z and z > x
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    minus = (-z).item()
    assert minus == -z.value and abs(minus) == z.value
    assert Joint([5 / 64, 59 / 64], "x").H("x").explain().count("5/64") == 3
    assert "0.0769231" in Joint([1 / 13 + 1e-9, 12 / 13 - 1e-9], "x").H("x").explain()
    assert "1/65" not in Joint([1 / 65, 64 / 65], "x").H("x").explain()


def test_co_information():
    """I(X;Y;Z) = I(X;Y) − I(X;Y|Z), and so on for more, by the recursion itself."""
    assert float(XOR.I("x ; y ; z", base=2)) == pytest.approx(-1)
    copies = Joint(np.diag([1 / 2, 1 / 2])[:, :, None] * np.eye(2), "x y z")
    assert float(copies.I("x ; y ; z", base=2)) == pytest.approx(1)
    assert float(JOINT.I("x ; y ; z")) == pytest.approx(JOINT.I("x ; y") - JOINT.I("x ; y | z"))
    assert float(JOINT.I("x;y;z")) == pytest.approx(-float(interaction_information(TABLE)))
    table = np.random.default_rng(3).dirichlet(np.ones(48)).reshape(2, 3, 2, 2, 2)
    five = Joint(table, "a b c d e")
    assert float(five.I("a ; b ; c ; d")) == pytest.approx(five.I("a ; b ; c") - five.I("a ; b ; c | d"))
    assert float(five.I("a;b;c|d,e")) == pytest.approx(five.I("a ; b | d, e") - five.I("a ; b | c, d, e"))
    assert float(five.I("a, b ; c ; d | e")) == pytest.approx(
        five.I("a, b ; c | e") - five.I("a, b ; c | d, e")
    )
    four = five.marginal("a b c d")
    assert float(four.I("a ; b ; c ; d")) == pytest.approx(float(interaction_information(four.table)))
    assert float(five.I("a;b;c;d;e")) == pytest.approx(-float(interaction_information(table)))
    assert five.I("a;b;c|d").symbol == "I(a ; b ; c | d)"


@pytest.mark.parametrize(
    ("expression", "message", "place"),
    [
        ("x ; w", "no variable is called 'w'; this joint has x y z", 4),
        ("x ; ", "a variable is missing here", 3),
        ("; x", "a variable is missing before this", 0),
        ("x ; y | ", "a variable is missing here", 7),
        ("x ; y | z ; x", "the condition comes last", 10),
        ("x ; y + z", r"unexpected '\+'", 6),
        ("x, x ; y", "'x' is named twice here", 3),
        ("x", "expected two groups or more, as in 'x ; y', 'x ; y | z' or 'x ; y ; z', got 1 group", 0),
        ("x ; y ; z ;", "a variable is missing here", 11),
    ],
)
def test_parse_errors_show_the_place(expression, message, place):
    with pytest.raises(ValueError, match=message) as error:
        JOINT.I(expression)
    *_, quoted, caret = str(error.value).split("\n")
    assert quoted == "    " + expression and caret == "    " + " " * place + "^"


def test_h_takes_one_group():
    with pytest.raises(ValueError, match=r"Joint\.H: expected one group.*got 2"):
        JOINT.H("x ; y")


def test_marginals_follow_the_order_asked_for():
    np.testing.assert_allclose(JOINT.marginal("z x").table, TABLE.sum(1).T)
    assert JOINT.marginal("z x").names == ("z", "x")
    with pytest.raises(ValueError, match="use given"):
        JOINT.marginal("x | y")


def test_conditioning():
    np.testing.assert_allclose(JOINT.given(y=1).table, TABLE[:, 1] / TABLE[:, 1].sum())
    np.testing.assert_allclose(JOINT.given(y=1, x=0).table, TABLE[0, 1] / TABLE[0, 1].sum())
    h_x_given_y = sum(p * float(JOINT.given(y=k).H("x")) for k, p in enumerate(TABLE.sum((0, 2))))
    assert float(JOINT.H("x | y")) == pytest.approx(h_x_given_y)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"w": 0}, "no variable is called 'w'"),
        ({"x": 2}, "x has no value 2; it has 0, 1"),
        ({"x": 0, "y": 0, "z": 0}, "no variable would be left"),
        ({"x": 0, "y": 1}, None),
    ],
)
def test_impossible_conditions(values, message):
    if message is None:
        joint, message = Joint([[[1 / 2], [0]], [[0], [1 / 2]]], "x y z"), "x=0, y=1 has probability 0"
    else:
        joint = JOINT
    with pytest.raises(ValueError, match=message):
        joint.given(**values)


def test_independent_products_add_information():
    other = Joint(np.random.default_rng(1).dirichlet(np.ones(6)).reshape(2, 3), "u v")
    both = JOINT.marginal("x y").expand(other)
    assert float(both.I("x, u ; y, v")) == pytest.approx(JOINT.I("x ; y") + other.I("u ; v"))
    assert float(both.I("x, y ; u, v")) == pytest.approx(0, abs=1e-14)
    with pytest.raises(ValueError, match=r"Joint\.expand: both joints have x"):
        JOINT.expand(JOINT.marginal("x"))


def test_divergence_between_joints_aligns_names():
    other = Joint(np.random.default_rng(1).dirichlet(np.ones(24)).reshape(4, 2, 3), "z x y")
    expected = kl_divergence(TABLE.ravel(), other.table.transpose(1, 2, 0).ravel())
    assert float(JOINT.kl(other)) == pytest.approx(float(expected))
    with pytest.raises(ValueError, match=r"Joint\.kl: expected the same variables, got x y z and x y"):
        JOINT.kl(JOINT.marginal("x y"))


@pytest.mark.parametrize("wrap", [dict, pl.DataFrame])
def test_from_samples(wrap):
    joint = Joint.from_samples(
        wrap({"sky": ["b", "g", "g", "b", "g"], "rain": [False, True, True, False, False]})
    )
    np.testing.assert_allclose(joint.table, [[2 / 5, 0], [1 / 5, 2 / 5]])
    assert joint.labels == {"sky": ("b", "g"), "rain": (False, True)}
    np.testing.assert_allclose(joint.given(sky="g").table, [1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="sky has no value 'red'; it has 'b', 'g'"):
        joint.given(sky="red")


def test_torch_tables_keep_gradients_and_batches():
    logits = torch.randn(
        5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )

    def information(z):
        return Joint(torch.softmax(z, -1).reshape(5, 2, 3, 2), "... x y z").I("x ; y | z").value

    assert information(logits).shape == (5,)
    assert torch.autograd.gradcheck(information, (logits,))


def test_small_probabilities_are_not_shown_as_0():
    text = Joint([1 - 1e-15, 1e-15], "x").H("x").explain()
    assert "1e-15 ln 1e-15" in text
    assert "0 log 0" not in text


def test_joints_of_the_same_values_are_compared():
    one, other = (Joint.from_samples({"x": list(text)}) for text in ("aab", "abb"))
    assert float(one.kl(other)) == pytest.approx(math.log(2) / 3)
    assert float(one.kl(Joint([1 / 3, 2 / 3], "x"))) == pytest.approx(math.log(2) / 3)  # no labels to compare


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Joint(TABLE, "x y"), r"got 2 names \(x y\) for a table of 3 axes; name every axis"),
        (lambda: Joint(TABLE, "... x y z w"), r"expected at least 4 axes, got shape \(2, 3, 4\)"),
        (lambda: Joint(TABLE, "x y x"), "names must be different words"),
        (lambda: Joint(TABLE * 2, "x y z"), "Joint: probabilities must sum to 1"),
        (lambda: Joint([1 / 2, 1 / 2], "x", {"x": ("a",)}), "x takes 2 values but has 1 labels"),
        (lambda: Joint([1 / 2, 1 / 2], "x", {"y": ("a",)}), "labels are given for 'y'"),
        (lambda: Joint.from_counts([[0, 0]], "x y"), "not all 0; is the sample empty"),
        (lambda: Joint.from_counts([1, -1], "x"), "counts must be at least 0"),
        (lambda: Joint.from_counts([1, 1], "x y"), "got 2 names for 1 axes"),
        (
            lambda: Joint.from_samples({"x": [1, 2], "y": [1]}),
            r"equally long and not empty, got \{'x': 2, 'y': 1\}",
        ),
        (lambda: Joint.from_samples({"x": []}), "not empty"),
        (lambda: Joint.from_samples({"x": [1.0, math.nan]}), "column 'x' has missing values"),
        (lambda: Joint.from_samples({"x": ["a", None]}), "column 'x' has missing values"),
        (lambda: Joint.from_samples({"x": np.ma.masked_equal([0, 9], 9)}), "column 'x' has missing values"),
        (lambda: Joint.from_samples({"x": [[1, 2]]}), r"column 'x' must have one axis, got shape \(1, 2\)"),
        (lambda: Joint.from_samples([1, 2]), "expected named columns, got list"),
        (lambda: Joint.from_samples({1: [0, 1], "1": [1, 1]}), "names that are equal as text"),
        (
            lambda: Joint.from_samples({"x": list("aab")}).kl(Joint.from_samples({"x": list("bcc")})),
            "value 0 of x is 'a' in one joint and 'b' in the other",
        ),
        (
            lambda: Joint([1 / 2, 1 / 2], "x").H("x", base=2) - Joint([1 / 4, 3 / 4], "y").H("y"),
            r"H\(x\) and H\(y\) have the bases 2 and 2.71828; compute both with one base",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
