"""Bounds on mutual information, in nats, as functions of a matrix of scores.

A critic scores pairs: ``scores[i, j, ...] = f(x_i, y_j)``, higher = more compatible. Pairs on the diagonal of
the first two axes are drawn together (positives); pairs off it come from different samples (negatives). Axes
after the second are *locations* of the target: y_j may be a map with a score for each of its cells. Means
then run over the locations, and the information is that of x and y at a random location.

    E₊  mean over the positives: pairs drawn from p(x, y)
    E₋  mean over the negatives: pairs drawn from p(x) p(y)
    r   the density ratio p(x, y) / p(x) p(y); the best critic is a function of it; I = E₊ log r

A **lower bound** is one in expectation, for any number n ≥ 2 of samples and any critic, if three things hold:
the n samples are independent, the critic was fixed before they were drawn, and f(x_i, y_j) depends on x_i and
y_j alone. Its proof is in each docstring, and rests on one inequality. For any g(x, y) ≥ 0::

    I ≥ E₊ log g − log E₋ g ≥ 1 + E₊ log g − E₋ g                                                     (*)

The value of one batch scatters about its expectation, by about √((e^{2I} − 1)/n) where e^s is averaged (NWJ,
Donsker–Varadhan, MINE, χ²). `choices.BOUND_KINDS` lists what each function is a bound on.

**Large and infinite scores.** Values are those of exact arithmetic, rounded: −∞ or ∞ where a value is beyond
the largest float. A score of −∞ is a pair that the critic rules out, with probability 0 and without gradient;
it still counts among the n candidates. A score that is NaN gives NaN, as do +∞ for a positive and a negative
at once; an `Estimate` refuses such values. Scores of 16 bits are computed with, and returned, in 32.

Memory: one to three arrays of the size of the scores. All functions are pure and differentiable, and never
wait for a GPU.

References: Poole et al. (2019), On variational bounds of mutual information; Nowozin et al. (2016), f-GAN;
Song and Ermon (2020), Understanding the limitations of variational mutual information estimators.
"""

import math
from collections.abc import Callable

from jaxtyping import Float

from infomax.errors import naming_extras, refuse

with naming_extras("infomax.estimation.bounds"):
    import torch
    from torch import Tensor
    from torch.nn.functional import logsigmoid, softplus


LARGE = 2.0**20
"""Scores beyond this are shifted towards 0 where a constant does not matter: differences of 1 keep digits."""


# ------------------------------------------------------------------------------------- InfoNCE
def infonce(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """log n + E[ s⁺ − log(e^{s⁺} + Σ_negatives e^s) ]: InfoNCE, as Deep InfoMax and AMDIM maximise it.

    Each positive is compared with every location of every *other* sample; a sample's own other locations are
    left out. Without locations this is InfoNCE, tight when f is the log density ratio and I ≪ log n. With L
    locations it is still a lower bound on I(x; y at a random location), but a loose one: negatives are summed
    over locations, and outweigh the positive L-fold. `infonce_by_image` gives a tighter bound from the same
    scores.

    A lower bound: let g be n times the positive's share of e^{s⁺} + Σ e^s. Were y drawn independently of x,
    all n candidates would be exchangeable and E₋ g = 1; (*) gives I ≥ E₊ log g. Negatives that are not
    independent of the positive break this: n images drawn *without* replacement from N are such, and where I
    is near log N the value can exceed it (docs/guides/bits.md).

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats, at most log n.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> abs(infonce(torch.zeros(8, 8)).item()) < 1e-5
        True

    Reference: van den Oord et al. (2018), eq. 4 and 5; Bachman et al. (2019), eq. 4.
    """
    log_odds = _log_odds("infonce", scores, any_size=True)
    return math.log(len(scores)) + logsigmoid(log_odds).mean()


def infonce_by_image(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """log n + E[ s⁺ − log(e^{s⁺} + Σ_{j≠i} mean_l e^{s_ijl}) ]: InfoNCE whose candidates are the n samples.

    Each negative sample counts once, by the mean over its L locations. A lower bound on I(x; y at a random
    location): with S_j = mean_l e^{s_jl}, concavity in the positive's location and exchangeability of the
    samples give E[n e^{s⁺} / (e^{s⁺} + Σ S_j)] ≤ E[n S_i / Σ S_j] = 1 under independence, and (*) needs no
    more. Like `infonce`, no bound for samples drawn without replacement. (Counting 1 + (n−1)L candidates, and
    adding its logarithm to the mean log-probability, would *not* give a bound: the L locations of one image
    are not independent draws.) Equal scores give 0; scores that single out the positive give log n.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats, at most log n. Equal to `infonce` when there are no locations.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> abs(infonce_by_image(torch.zeros(8, 8, 5, 5)).item()) < 1e-5
        True
    """
    num_locations = scores[0, 0].numel() if scores.ndim > 2 and len(scores) else 1
    log_odds = _log_odds("infonce_by_image", scores, any_size=True) + math.log(num_locations)
    return math.log(len(scores)) + logsigmoid(log_odds).mean()


def log_odds(
    scores: Float[Tensor, "m n *locations"], first: int | None = None
) -> Float[Tensor, "m *locations"]:
    """s⁺ − log Σ_negatives e^s, of each positive against all locations of all other samples.

    Its log-sigmoid is the log-probability, in nats, of telling the positive from them: `infonce` is the mean
    of these plus log n. Scores beyond 10⁶ have lost their digits here, and in `infonce` they have not.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        first: the scores are those of some x_i, from this number on, with all y_j; by default, of all x_i.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> log_odds(torch.zeros(3, 3)).exp()
        tensor([0.5000, 0.5000, 0.5000])
    """
    return _log_odds("log_odds", scores, first).reshape(len(scores), *scores.shape[2:])


# ------------------------------------------------------------------------------------- lower bounds


def donsker_varadhan(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊ s − log E₋ e^s: the Donsker–Varadhan value, at most I(x; y) in the limit of many samples.

    Tight when s = log r + any constant. Not a bound for a number of samples: the logarithm of a mean of few
    terms is too low on average, so that n ≪ e^I gives values *above* the truth. With s = log r of Gaussians
    of 20 dimensions and 10 nats, 64 samples give 11.3 on average, and 400 give 10.6. With locations, the mean
    in the logarithm runs over all negative pairs and their locations, and nothing else.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats; unchanged when a constant is added to the scores.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> round(donsker_varadhan(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item(), 6)
        1.0

    Reference: Donsker and Varadhan (1983); Belghazi et al. (2018), MINE.
    """
    positives, negatives = _pairs("donsker_varadhan", scores, shift=(0, 1, 2))
    return _mean(positives) - _log_mean_exp(negatives)


def nwj(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊ s − E₋ e^{s−1}: the lower bound of Nguyen, Wainwright and Jordan.

    A lower bound: (*) with g = e^{s−1}; both of its means are without bias. Tight when s = 1 + log r; it
    scatters like a mean of e^s. For the same scores never above `donsker_varadhan`. For a critic that is log
    r itself, use `nwj_of_log_ratio`.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> nwj(torch.ones(4, 4)).item()
        0.0

    Reference: Nguyen, Wainwright and Jordan (2010); Poole et al. (2019), section 2.2.
    """
    return _dual("nwj", scores, lambda s: s, lambda s: (s - 1).exp())


def nwj_of_log_ratio(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """1 + E₊ s − E₋ e^s = NWJ(s + 1): the value in nats of a critic s ≈ log r, as `jensen_shannon` trains it.

    A lower bound: (*) with g = e^s. Tight when s = log r. NWJ(s), which several public codes report, is lower
    by 1 − (1 − 1/e) E₋ e^s: by 1/e when s = log r.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> nwj_of_log_ratio(torch.zeros(4, 4)).item()
        0.0

    Reference: Poole et al. (2019), section 2.2.
    """
    return 1 + _dual("nwj_of_log_ratio", scores, lambda s: s, torch.exp)


def tuba(
    scores: Float[Tensor, "n n *locations"], log_baseline: Float[Tensor, "*n"] | int | float
) -> Float[Tensor, ""]:
    """1 + E₊[s − log a(x)] − E₋ e^{s − log a(x)}: the lower bound with a baseline a(x) > 0.

    A lower bound: (*) with g = e^s / a(x), as long as the baseline does not depend on the batch. Tight when
    s − log a(x) = log r. The best baseline for given scores is a(x_i) = mean_j e^{s_ij}, which does depend on
    it. A constant a = E₋ e^s gives `donsker_varadhan`, and log a = 1 gives `nwj`.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        log_baseline: log a, a number or [n], one for each source x_i.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, n < 2, or a baseline of another shape.

    Example:
        >>> tuba(torch.ones(4, 4), log_baseline=1.0).item()
        0.0

    Reference: Poole et al. (2019), section 2.2 (from Barber and Agakov 2003).
    """
    positives, negatives = _pairs("tuba", scores)
    log_a = _per_source("tuba", "log_baseline", log_baseline, scores)  # [n, 1] or []
    return 1 + _mean(positives - log_a) - (negatives - log_a[..., None]).exp().mean()


def interpolated(
    scores: Float[Tensor, "n n *locations"],
    log_baseline: Float[Tensor, "*n"] | int | float,
    alpha: int | float,
) -> Float[Tensor, ""]:
    """TUBA with the baseline α·m + (1 − α)·a(x), where m is the mean of e^s over n − 1 candidates of x.

    α = 0 is `tuba`: little bias, much scatter. α = 1 is InfoNCE of n − 1 candidates: at most log(n − 1), and
    little scatter. Between them, at most 1 + log((n − 1)/α), which is approached where the baseline is far
    below the positives' e^s and far above the negatives'. The n − 1 candidates of the first term are the
    positive and all negatives but one, averaged over the negative that is left out; those of the second term
    are the negatives. A candidate with locations counts by its mean over them, as in `infonce_by_image`.

    A lower bound: (*) with g = e^s / (α m + (1 − α) a(x)), of y and of n − 2 further candidates, which are
    independent of (x, y) in both terms. As in `tuba`, the baseline must not depend on the batch.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        log_baseline: log a, a number or [n], one for each source x_i.
        alpha: α, from 0 to 1.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, n < 3, an α outside [0, 1], or a baseline of
            another shape.

    Example:
        >>> abs(interpolated(torch.zeros(4, 4), log_baseline=0.0, alpha=0.5).item()) < 1e-6
        True

    Reference: Poole et al. (2019), section 2.4.
    """
    refuse(
        not 0 <= alpha <= 1,
        f"interpolated: alpha must be from 0 (TUBA) to 1 (InfoNCE), got {alpha}; 0.5 is halfway",
    )
    _check("interpolated", scores, at_least=3)
    positives, negatives = _pairs("interpolated", scores, shift=(1, 2))
    log_a = _per_source("interpolated", "log_baseline", log_baseline, scores)[..., None]  # [n, 1, 1] or []
    log_a = log_a - _large_part(_at_least_float32(scores).flatten(1)[..., None], (1, 2))  # [n, 1, 1]
    candidates = _log_mean_exp(negatives, dim=2)  # [n, n-1]
    log_num = math.log(len(scores) - 1)
    log_m = (
        torch.logaddexp(positives[:, None], _leave_one_out(candidates)[..., None]) - log_num
    )  # [n, n-1, l]

    joint = positives[:, None] - _mixture(alpha, log_m, log_a)
    if alpha == 1:  # the second term is a mean of shares, 1
        return _mean(joint)
    marginal = negatives - _mixture(alpha, _log_mean_exp(candidates, dim=1)[:, None, None], log_a)
    return 1 + _mean(joint) - marginal.exp().mean()


def flo(scores: Float[Tensor, "n n *locations"], u: Float[Tensor, "n *locations"]) -> Float[Tensor, ""]:
    """1 − E₊[u + e^{−u} E_{y'} e^{s(x, y') − s(x, y)}]: the Fenchel–Legendre bound, of scores and of u(x, y).

    A lower bound: with Z = E_{y'} e^{s(x, y') − s(x, y)}, which a mean over negatives gives without bias, and
    any u, 1 − u − e^{−u} Z ≤ −log Z; and E₊[−log Z] ≤ I by (*), with g = e^s / E_{y'} e^{s(x, y')}. Tight
    when s = log r + c(x) and u = −log r. u is a second critic, of the positives alone; it must not depend on
    the rest of the batch.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        u: u(x_i, y_i), one for each positive; the paper's name.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, n < 2, or a u of another shape.

    Example:
        >>> flo(torch.zeros(4, 4), torch.zeros(4)).item()
        0.0

    Reference: Guo et al. (2022), Tight mutual information estimation with contrastive Fenchel–Legendre
    optimization.
    """
    positives, negatives = _pairs("flo", scores, shift=(1, 2))
    if u.shape != (len(scores), *scores.shape[2:]):
        raise ValueError(
            f"flo: u must be one value for each positive, {[len(scores), *scores.shape[2:]]}, got "
            f"{list(u.shape)}; is it u(x_i, y_i)?"
        )
    log_mean = _log_mean_exp(negatives.flatten(1), dim=1)  # [n]
    u = u.reshape(positives.shape)
    return 1 - _mean(u + (log_mean[:, None] - positives - u).exp())


# ------------------------------------------------------------------------------------- divergences


def jensen_shannon(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊[log 2 − softplus(−s)] − E₋[softplus(s) − log 2]: 2·JSD of p(x, y) and p(x) p(y).

    The objective of Deep InfoMax. *Not* an estimate of I: at most 2 log 2, and no bound on information. But
    its best critic is s = log r, and training it has little scatter: `nwj_of_log_ratio` turns this critic's
    scores into nats.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, an objective to be maximised.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> abs(jensen_shannon(torch.zeros(4, 4)).item()) < 1e-6
        True

    Reference: Hjelm et al. (2018), eq. 4; Nowozin et al. (2016), table 2.
    """
    return 2 * math.log(2) + _dual("jensen_shannon", scores, logsigmoid, softplus)


def kl(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊ s − E₋ e^{s−1}: the dual of D(p(x, y) ‖ p(x) p(y)) = I(x; y); the same function as `nwj`.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats; a lower bound on I.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> kl(torch.ones(4, 4)).item()
        0.0

    Reference: Nowozin et al. (2016), table 2.
    """
    return _dual("kl", scores, lambda s: s, lambda s: (s - 1).exp())


def reverse_kl(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊[−e^{−s}] − E₋[s − 1]: a lower bound on D(p(x) p(y) ‖ p(x, y)), the lautum information. Not on I.

    Tight when s = log r. Fails where the critic makes positives rare: e^{−s} then has few, large terms.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats of another divergence.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> reverse_kl(torch.zeros(4, 4)).item()
        0.0

    Reference: Nowozin et al. (2016), table 2; Palomar and Verdú (2008), Lautum information.
    """
    return 1 + _dual("reverse_kl", scores, lambda s: -(-s).exp(), lambda s: s)


def squared_hellinger(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊[1 − e^{−s}] − E₋[e^s − 1]: a lower bound on Σ(√p(x, y) − √(p(x) p(y)))². Not an estimate of I.

    Tight when s = ½ log r; at most 2.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, an objective to be maximised.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> squared_hellinger(torch.zeros(4, 4)).item()
        0.0

    Reference: Nowozin et al. (2016), table 2.
    """
    return 2 + _dual("squared_hellinger", scores, lambda s: -(-s).exp(), torch.exp)


def chi_squared(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊ s − E₋[s + s²/4]: a lower bound on Pearson's χ²(p(x, y) ‖ p(x) p(y)) = E₊ r − 1.

    Not an estimate of I. Tight when s = 2(r − 1). For s < −2, where r would be negative, s + s²/4 is replaced
    by its minimum, −1, which keeps the bound and makes it tighter. (The form E₊ s² + ½ E₋ (|s| + 1)² of
    public Deep InfoMax code grows without limit.) χ² is large, at least e^I − 1, and may be infinite where I
    is finite.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, an objective to be maximised.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> chi_squared(torch.zeros(4, 4)).item()
        0.0

    Reference: Nowozin et al. (2016), table 2.
    """
    return _dual("chi_squared", scores, lambda s: s, lambda s: (s.clamp(min=-2) / 2 + 1).square() - 1)


# ------------------------------------------------------------------------------------- neither, and training


def smile(scores: Float[Tensor, "n n *locations"], clip: int | float = 5.0) -> Float[Tensor, ""]:
    """E₊ s − log E₋ clip(e^s, e^{−τ}, e^τ): Donsker–Varadhan with a clipped partition function. Not a bound.

    Clipping reduces scatter and adds bias, upwards where it cuts large terms: with s = log r, τ = 5 and n =
    64, Gaussians of 20 dimensions and 2, 4, 6, 8, 10 nats give 2.03, 4.26, 6.71, 9.32, 12.06 on average. The
    critic is usually trained by `jensen_shannon`. τ = ∞ is `donsker_varadhan`.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        clip: τ, the largest absolute value of a negative score.

    Returns:
        Scalar, nats.

    Raises:
        ValueError: scores not square in the first two axes, n < 2, or τ ≤ 0.

    Example:
        >>> round(smile(torch.tensor([[9.0, 8.0], [8.0, 9.0]]), clip=5).item(), 6)
        4.0

    Reference: Song and Ermon (2020), section 4.
    """
    positives, negatives = _pairs("smile", scores)
    refuse(not clip > 0, f"smile: clip must be above 0, got {clip}; 5 is usual, math.inf does not clip")
    return _mean(positives) - _log_mean_exp(negatives.clamp(-clip, clip))


def mine(
    scores: Float[Tensor, "n n *locations"],
    log_average: Float[Tensor, ""] | None = None,
    decay: int | float = 0.99,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Donsker–Varadhan's value, with the gradient E₊ ∇s − E₋[e^s ∇s] / A, A a moving average of E₋ e^s.

    Not a bound for a number of samples, as `donsker_varadhan` is not. With a batch's own E₋ e^s in the
    denominator, the gradient is biased; an average over batches reduces the bias. The caller keeps the
    average::

        log_average = None
        for ...:
            objective, log_average = mine(critic(x, y), log_average)

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.
        log_average: log A of the batches so far; None for the first batch.
        decay: the weight of the batches so far; 0 gives the gradient of `donsker_varadhan`.

    Returns:
        (the value, with that gradient; log A including this batch, without gradient), nats.

    Raises:
        ValueError: scores not square in the first two axes, n < 2, or a decay outside [0, 1).

    Example:
        >>> value, log_average = mine(torch.zeros(4, 4))
        >>> value.item(), log_average.item()
        (0.0, 0.0)

    Reference: Belghazi et al. (2018), section 3.2.
    """
    positives, negatives = _pairs("mine", scores, shift=(0, 1, 2))
    refuse(not 0 <= decay < 1, f"mine: decay must be from 0 to below 1, got {decay}; 0.99 is usual")
    shifted_log_z = _log_mean_exp(negatives)
    log_z = shifted_log_z + _large_part(_at_least_float32(scores), tuple(range(scores.ndim))).squeeze()
    log_average = log_z.detach() if log_average is None else _mixture(decay, log_average, log_z.detach())
    smallest = torch.finfo(log_z.dtype).min
    ratio = (log_z - log_average.clamp(min=smallest)).exp()  # its gradient is E₋[e^s ∇s] / A
    return _mean(positives) - shifted_log_z.detach() - (ratio - ratio.detach()), log_average


# ------------------------------------------------------------------------------------- upper bounds


def leave_one_out(log_densities: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊[log p(y|x) − log mean_{x' ≠ x} p(y|x')]: an upper bound, for a *known* conditional density.

    A mixture over the other samples' x replaces the marginal p(y); tight as n grows. An upper bound for any
    n: E[−log mean p(y|x')] ≥ −log p(y) by Jensen's inequality. With a learned density in place of the true
    one it is not a bound. `infonce(log_densities.transpose(0, 1))` is a lower bound: the
    two enclose I.

    Args:
        log_densities: log p(y_j | x_i), at [i, j].

    Returns:
        Scalar, nats.

    Raises:
        ValueError: log_densities not square in the first two axes, or n < 2.

    Example:
        >>> leave_one_out(torch.zeros(4, 4)).item()
        0.0

    Reference: Poole et al. (2019), section 2.1 and 2.5.
    """
    _check("leave_one_out", log_densities)
    transposed = log_densities.transpose(0, 1)
    positives, negatives = _pairs("leave_one_out", transposed, shift=(1, 2))  # negatives [y, x, l]
    return _mean(positives - _log_mean_exp(negatives, dim=1))


def club(log_densities: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """E₊ log p(y|x) − E₋ log p(y|x): the contrastive log-ratio upper bound, for a known conditional density.

    It exceeds I by exactly D(p(x) p(y) ‖ p(x, y)): tight only at independence, and loose for strong
    dependence. With a learned density q in place of the true one it is not a bound.

    Args:
        log_densities: log p(y_j | x_i), at [i, j].

    Returns:
        Scalar, nats.

    Raises:
        ValueError: log_densities not square in the first two axes, or n < 2.

    Example:
        >>> club(torch.zeros(4, 4)).item()
        0.0

    Reference: Cheng et al. (2020), CLUB.
    """
    return _dual("club", log_densities, lambda s: s, lambda s: s)


# ------------------------------------------------------------------------------------- shared parts


def _pairs(
    operation: str, scores: Tensor, *, at_least: int = 2, shift: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    """Return positives [n, l] and negatives [n, n-1, l], of l locations.

    Of [n, n, l], `shift` are the axes along which the result does not depend on a common constant.
    """
    _check(operation, scores, at_least)
    n = len(scores)
    scores = _at_least_float32(scores).reshape(n, n, -1)  # [n, n, l]
    if shift:
        scores = scores - _large_part(scores, shift)
    after_diagonal = scores.flatten(0, 1)[:-1].unflatten(0, (n - 1, n + 1))[:, 1:]  # [n-1, n, l]
    return scores.diagonal().T, after_diagonal.reshape(n, n - 1, -1)


def _at_least_float32(scores: Tensor) -> Tensor:
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


def _large_part(scores: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the largest score along these axes where it is beyond `LARGE`, else 0; the axes are kept.

    Without it, differences of large scores keep their digits.
    """
    largest = scores.detach().amax(axes, keepdim=True)
    return torch.where((largest.abs() > LARGE) & largest.isfinite(), largest, 0)


def _dual(
    operation: str,
    scores: Tensor,
    of_positives: Callable[[Tensor], Tensor],
    of_negatives: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return E₊ g(s) − E₋ h(s)."""
    positives, negatives = _pairs(operation, scores)
    return _mean(of_positives(positives)) - _mean(of_negatives(negatives))


def _mean(values: Tensor) -> Tensor:
    """Return the mean, whose sum may be beyond the largest float; a power of 2 changes no other digit."""
    scale = 2.0 ** math.ceil(math.log2(values.numel()))
    return (values / scale).mean() * scale


def _log_mean_exp(values: Tensor, dim: int | None = None) -> Tensor:
    """Return log mean e^v, along one axis or all; where every v is −∞, −∞ without gradient."""
    if dim is None:
        values, dim = values.flatten(), 0
    smallest = torch.finfo(values.dtype).min
    log_sum = values.clamp(min=smallest).logsumexp(dim)
    log_mean = log_sum - math.log(values.shape[dim])
    return log_mean.masked_fill(log_sum <= smallest, -torch.inf)


def _leave_one_out(values: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Return log Σ_{k≠j} e^{v_ik}, from sums before j and after it; no subtraction, and no lost digits."""
    values = values.clamp(min=torch.finfo(values.dtype).min)
    nothing = values.new_full((len(values), 1), -torch.inf)
    before = torch.cat([nothing, values.logcumsumexp(1)[:, :-1]], dim=1)
    after = torch.cat([values.flip(1).logcumsumexp(1).flip(1)[:, 1:], nothing], dim=1)
    return torch.logaddexp(before, after)


def _mixture(alpha: int | float, log_a: Tensor, log_b: Tensor) -> Tensor:
    """Return log(α a + (1 − α) b)."""
    if alpha in (0, 1):  # log 0 has no gradient
        return log_a if alpha == 1 else log_b
    return torch.logaddexp(log_a + math.log(alpha), log_b + math.log1p(-alpha))


def _per_source(operation: str, name: str, value: Tensor | int | float, scores: Tensor) -> Tensor:
    """Return a number as a scalar, a vector [n] as [n, 1]."""
    value = torch.as_tensor(value, dtype=_at_least_float32(scores).dtype, device=scores.device)
    if value.shape not in ((), (len(scores),)):
        raise ValueError(
            f"{operation}: {name} must be a number or one for each source x_i, {[len(scores)]}, got "
            f"{list(value.shape)}"
        )
    return value[:, None] if value.ndim else value


def _log_odds(operation: str, scores: Tensor, first: int | None = None, *, any_size: bool = False) -> Tensor:
    """Return s⁺ − log Σ_negatives e^s of each positive against all its negatives: [m, locations].

    The own image has the smallest float as its score, with e^s = 0, and not −∞: a sum of e^{−∞} alone would
    have no gradient.
    """
    if first is None:
        _check(operation, scores)
        first = 0
    m, n = scores.shape[:2]
    scores = _at_least_float32(scores).reshape(m, n, -1)  # [m, n, l]
    if any_size:
        scores = scores - _large_part(scores, (1, 2))
    positives = scores.diagonal(first).T  # [m, l]
    own = torch.eye(n, dtype=torch.bool, device=scores.device)[first : first + m, :, None]
    others = scores.masked_fill(own, torch.finfo(scores.dtype).min)
    return positives - others.flatten(1).logsumexp(1)[:, None]


def _check(operation: str, scores: Tensor, at_least: int = 2) -> None:
    shape = list(scores.shape)
    if scores.ndim < 2 or shape[0] != shape[1]:
        raise ValueError(
            f"{operation}: scores must be square [n, n, *locations], got {shape}; "
            "were x and y batches of different sizes?"
        )
    if shape[0] < at_least:
        needed = "at least one negative" if at_least == 2 else f"at least {at_least - 1} negatives"
        raise ValueError(
            f"{operation}: a positive needs {needed}, n ≥ {at_least}, got n = {shape[0]}; use a larger batch"
        )
