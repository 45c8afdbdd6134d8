"""Critics of Deep InfoMax: how well a global vector y fits each place of a map m.

    s[i, j, h, w] = f(y_i, m_j[:, h, w])

f is a critic of two vectors, (y [n, d], rows [k, c]) -> scores [n, k]: one of `estimation.critics`, or
`EncodeAndDot`. In global DIM y is scored against the whole map, which `MapSummary` first turns into a map of
a single place. `choices.CRITICS` lists the critics by name.

In a group of processes each rank scores its own maps m_j against the y_i of all ranks (`score_together`).
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from infomax.estimation.critics import Bilinear, Concatenated
from infomax.learning.distributed.groups import ALL, Ranks, at_least_float32, gather


class EncodeAndDot(nn.Module):
    """f(x, y) = ⟨g(x), h(y)⟩ / √units, the usual critic of Deep InfoMax. Memory: m·n scores.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        num_units: units of both embeddings.

    Reference: Hjelm et al. (2018), appendix A.2; the layers are those of their public code.
    """

    def __init__(self, dim_x: int, dim_y: int, num_units: int):
        super().__init__()
        self.embed_x: Encoding = Encoding(dim_x, num_units)
        self.embed_y: Encoding = Encoding(dim_y, num_units)

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs, multiplied in at least float32."""
        g, h = self.embed_x(x), self.embed_y(y)
        with torch.autocast(x.device.type, enabled=False):
            return (at_least_float32(g) / math.sqrt(g.shape[1])) @ at_least_float32(h).T


class Encoding(nn.Module):
    """LayerNorm(W₂ relu(BN(W₁ x)) + S x), where S starts near the identity."""

    def __init__(self, num_in: int, num_units: int):
        super().__init__()
        self.hidden: nn.Linear = nn.Linear(num_in, num_units, bias=False)
        self.hidden_norm: nn.BatchNorm1d = nn.BatchNorm1d(num_units)
        self.out: nn.Linear = nn.Linear(num_units, num_units)
        self.shortcut: nn.Linear = nn.Linear(num_in, num_units)
        self.norm: nn.LayerNorm = nn.LayerNorm(num_units)
        nn.init.uniform_(self.shortcut.weight, -0.01, 0.01)
        with torch.no_grad():
            self.shortcut.weight.fill_diagonal_(1.0)

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n units"]:
        """Return the embedded rows."""
        return self.norm(self.out(F.relu(self.hidden_norm(self.hidden(x)))) + self.shortcut(x))


def dot(dim_x: int, dim_y: int, num_units: int) -> nn.Module:
    """Return f(x, y) = xᵀ W y, which has no hidden units."""
    return Bilinear(dim_x, dim_y)


def concat_and_convolve(dim_x: int, dim_y: int, num_units: int) -> nn.Module:
    """Return a perceptron of both rows together, with two hidden layers of `num_units`."""
    return Concatenated(dim_x, dim_y, hidden=(num_units, num_units))


class MapCritic(nn.Module):
    """A critic of rows, applied at every place of a map.

    Args:
        critic: scores global vectors [n, d] against rows [k, c].
        prepare: applied to the map first; default: nothing.
    """

    def __init__(self, critic: nn.Module, prepare: nn.Module | None = None):
        super().__init__()
        self.critic = critic
        self.prepare: nn.Module = prepare or nn.Identity()

    @property
    def parts_of_maps(self) -> tuple[str, ...]:
        """Names of the parts that see maps: all but the critic's `embed_x`, which sees global vectors."""
        of_critic = [name for name, _ in self.critic.named_children() if name != "embed_x"]
        return ("prepare", *(f"critic.{name}" for name in of_critic))

    def forward(self, y: Float[Tensor, "n d"], m: Float[Tensor, "m c _ _"]) -> Float[Tensor, "n m h w"]:
        """Return the scores of all global vectors against all places of all maps, in at least float32."""
        m = self.prepare(m)
        num_maps, _, h, w = m.shape
        scores = at_least_float32(self.critic(y, rearrange(m, "m c h w -> (m h w) c")))
        return rearrange(scores, "n (m h w) -> n m h w", m=num_maps, h=h, w=w)


def score_together(
    critic: nn.Module, y: Float[Tensor, "n d"], m: Float[Tensor, "b c _ _"], among: Ranks = ALL
) -> Float[Tensor, "n m h w"]:
    """Return the scores of global vectors against the maps of these ranks, rank after rank, on each of them.

    A rank computes the columns of its own maps, and gathers the others. It holds all of them: a bound may be
    any function of the whole matrix. Let V be one. Each rank computes V, and its gradient by all scores; in
    the backward pass rank s is sent the gradients of all R ranks for its columns, R ∂V/∂s_s, and DDP takes
    the mean over ranks: Σ_s ∂V/∂s_s ∂s_s/∂θ = dV/dθ, the gradient of one process with the whole batch.

    Args:
        critic: global vectors and maps to scores [n, b, h, w], such as a `MapCritic`.
        y: of the images of all these ranks, the same on each; see `groups.gather`.
        m: of the images of this rank; all ranks have the same number of images.
        among: these ranks. Where they are G of R, the mean over ranks is Σ_groups (G/R) dV/dθ.
    """
    return gather(critic(y, m).transpose(0, 1), among).transpose(0, 1)


class MapSummary(nn.Module):
    """A map [b, c, h, w] to one vector: two convolutions, with 64 and 32 channels, then all cells.

    Args:
        num_channels: c.
        side: of a square map, or (h, w).

    Reference: Hjelm et al. (2018), appendix A.2, the discriminator of global DIM.
    """

    def __init__(self, num_channels: int, side: int | tuple[int, int]):
        super().__init__()
        self.layers: nn.Sequential = nn.Sequential(
            nn.Conv2d(num_channels, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 32, 3, padding=1)
        )
        self.num_out: int = 32 * (math.prod(side) if isinstance(side, tuple) else side**2)

    def forward(self, m: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out 1 1"]:
        """Return the vector, as a map of one place."""
        return rearrange(self.layers(m), "b c h w -> b (c h w) 1 1")


def sample_places(
    m: Float[Tensor, "b c h w"], num_places: int, generator: Generator | None = None
) -> Float[Tensor, "b c places 1"]:
    """Return `num_places` places of each map, drawn without replacement, the same in all channels."""
    cells = m.flatten(2)
    device = m.device if generator is None else generator.device
    order = torch.rand(len(m), cells.shape[2], generator=generator, device=device).argsort(1)
    places: Int[Tensor, "b places"] = order[:, :num_places].to(m.device)
    return cells.gather(2, places[:, None].expand(-1, m.shape[1], -1))[..., None]
