"""Outputs of layers, read as maps and as vectors: channels first or last, and tokens of transformers.

map      [b, c, h, w]; [b, h, w, c] where channels come last
tokens   [b, p + h·w, d]: p of the whole image, the first the class token, then those of patches
vector   [b, d], or [b, d, 1, 1]
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse

POOLS = ("class", "mean")
"""Ways to make one vector of tokens or of a map: the class token; the mean over all places."""


@dataclass(frozen=True)
class Reading:
    """How outputs of layers are read.

    image_size: (height, width) of the images.
    grid: rows and columns of patch tokens; None: in the proportions of the images.
    num_prefix: tokens before those of patches; None: 0 or 1, whichever the grid leaves.
    pool: one of `POOLS`; None: the class token where there is one, else the mean; a map is not pooled.
    channels_last: outputs of four axes are [b, h, w, c]; None: they are not, and what looks so is refused.

    Raises:
        ValueError: another pool; a grid with a side below 1.
    """

    image_size: tuple[int, int]
    grid: tuple[int, int] | None = None
    num_prefix: int | None = None
    pool: str | None = None
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        refuse(
            self.pool not in (None, *POOLS),
            f"TappedEncoder: pool must be one of {', '.join(POOLS)}, or None, got {self.pool!r}",
        )
        refuse(
            self.grid is not None and min(self.grid) < 1,
            f"TappedEncoder: grid must be (rows, columns) of patch tokens, got {self.grid}",
        )

    def map_of(self, name: str, output: Tensor) -> Float[Tensor, "b c h w"]:
        """Return the map in a layer's output.

        Raises:
            ValueError: there is none, or it has a single place.
        """
        if output.ndim == 3:
            grid = self.grid_of(name, output.shape[1])
            patches = output[:, output.shape[1] - math.prod(grid) :]
            output = patches.transpose(1, 2).unflatten(2, grid)
        elif output.ndim == 4 and self.channels_last:
            output = output.movedim(3, 1)
        if output.ndim != 4 or max(output.shape[2:]) < 2:
            raise ValueError(
                f"TappedEncoder: layer {name!r} must give a local map [b, c, h, w] of several places, or "
                f"tokens [b, n, d], got {list(output.shape)}; tap another layer"
            )
        self._check_axes(name, output)
        return output

    def vector_of(self, name: str, output: Tensor) -> Float[Tensor, "b d"]:
        """Return the vector in a layer's output: as it is, or pooled.

        Raises:
            ValueError: there is none; or a map, and no word on how to pool it.
        """
        if output.ndim == 3:
            return self._of_tokens(name, output)
        if output.ndim == 4 and self.channels_last:
            output = output.movedim(3, 1)
        if output.ndim == 4 and self.pool == "mean":
            self._check_axes(name, output)
            return output.mean((2, 3))
        if output.ndim != 2 and output.shape[2:] != (1, 1):
            raise ValueError(
                f"TappedEncoder: layer {name!r} must give a global vector [b, d] or [b, d, 1, 1], or tokens, "
                f"got {list(output.shape)}; tap the layer that pools it, or set pool='mean'"
            )
        refuse(
            self.pool == "class",
            f"TappedEncoder: layer {name!r} gives no tokens, got {list(output.shape)} and pool='class'; "
            "leave pool out",
        )
        return output.flatten(1)

    def grid_of(self, name: str, num_tokens: int) -> tuple[int, int]:
        """Return rows and columns of the patches among so many tokens.

        Raises:
            ValueError: no grid is in the proportions of the images, or the given one has more patches.
        """
        grid = self.grid or self._proportional(num_tokens)
        refuse(
            grid is None or math.prod(grid) > num_tokens,
            f"TappedEncoder: layer {name!r} gives {num_tokens} tokens for images "
            f"{self.image_size[0]}×{self.image_size[1]}, "
            + (
                f"fewer than {self.grid[0]}×{self.grid[1]}"
                if self.grid
                else "in which no grid of patches is found"
            )
            + "; give grid=(rows, columns), the grid of the patches",
        )
        assert grid is not None
        return grid

    def resolved(self, outputs: Mapping[str, Tensor], global_name: str) -> "Reading":
        """Return the same reading with what outputs of tapped layers show: their one grid, the pool."""
        tokens = {name: output.shape[1] for name, output in outputs.items() if output.ndim == 3}
        grids = {self.grid_of(name, number) for name, number in tokens.items()}
        pool = self.pool
        if global_name in tokens and pool is None:
            has_prefix = tokens[global_name] > math.prod(self.grid_of(global_name, tokens[global_name]))
            pool = "class" if has_prefix else "mean"
        return replace(self, grid=grids.pop() if len(grids) == 1 else self.grid, pool=pool)

    def _of_tokens(self, name: str, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
        """Return the class token, or the mean of the tokens of patches."""
        prefix = tokens.shape[1] - math.prod(self.grid_of(name, tokens.shape[1]))
        refuse(
            self.pool == "class" and not prefix,
            f"TappedEncoder: layer {name!r} has no token before its {tokens.shape[1]} of patches; set "
            "pool='mean'",
        )
        if prefix and self.pool != "mean":
            return tokens[:, 0]
        return tokens[:, prefix:].mean(1)

    def _proportional(self, num_tokens: int) -> tuple[int, int] | None:
        """Return the grid of the images' proportions that all tokens but the prefix fill."""
        common = math.gcd(*self.image_size)
        rows, columns = (side // common for side in self.image_size)
        for prefix in (0, 1) if self.num_prefix is None else (self.num_prefix,):
            times = math.isqrt(max(num_tokens - prefix, 0) // (rows * columns))
            if times and times * times * rows * columns == num_tokens - prefix:
                return times * rows, times * columns
        return None

    def _check_axes(self, name: str, output: Float[Tensor, "b c h w"]) -> None:
        """Refuse a map that looks as if its channels came last."""
        doubtful = self.channels_last is None and not self._like_images(*output.shape[2:])
        refuse(
            doubtful and self._like_images(*output.shape[1:3]),
            f"TappedEncoder: layer {name!r} gives {list(output.shape)} for images {self.image_size[0]}×"
            f"{self.image_size[1]}, which looks like [b, h, w, c]; set channels_last=True, or False where "
            "channels come first",
        )

    def _like_images(self, height: int, width: int) -> bool:
        """Return whether a map has the proportions of the images, to a place and a half."""
        rows, columns = self.image_size
        return min(abs(height - width * rows / columns), abs(width - height * columns / rows)) <= 1.5


def num_prefix_tokens(module: nn.Module) -> int | None:
    """Return how many tokens precede those of patches, where a module says so.

    That is ``num_prefix_tokens`` of the module, as timm has it, or 1 and ``num_register_tokens`` of its
    `config`, as Hugging Face has it.
    """
    prefix = getattr(module, "num_prefix_tokens", None)
    registers = getattr(getattr(module, "config", None), "num_register_tokens", None)
    found = prefix if prefix is not None else None if registers is None else 1 + registers
    return found if isinstance(found, int) else None


def tensor_in(output: Any) -> Tensor | None:
    """Return the tensor in what a layer gives: its ``last_hidden_state``, or the only part of a tuple."""
    if isinstance(output, Mapping):
        output = output.get("last_hidden_state")
    output = getattr(output, "last_hidden_state", output)
    if isinstance(output, tuple | list) and len(output) == 1:
        (output,) = output
    return output if isinstance(output, Tensor) else None
