"""Write the page of a collection: one HTML file that needs nothing else, no network, no files beside it."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from infomax.evaluation.grouping.looking import PAGE, Grouping
from infomax.evaluation.probes.stored import taken
from infomax.files import replacing
from infomax.pages.figures import shortened
from infomax.pages.templates import page_template
from infomax.progress import stages
from infomax.report import gallery
from infomax.report.gallery import nearest_of_each, points_on_map
from infomax.report.pictures import sprites, words_of_channels

MAX_ON_MAP = 2000
"""Images on the map; of more, so many are drawn at random."""
NUM_TYPICAL, NUM_LEAST = 22, 11
"""Pictures of a group: the nearest to its centre, and the furthest from it."""
MAX_SETS, MAX_OF_SET = 24, 8
"""Sets of near-duplicates that are shown, the largest first, and pictures of each."""
NUM_FURTHEST = 24
"""Images that are shown as far from all others."""
MAX_NAME = 24
"""Characters of a name below a picture; the whole name is shown where a pointer rests."""
PICTURE_SIDE, MAP_PICTURE_SIDE = 96, 48  # px, the most

_TEMPLATES = Path(__file__).parent / "templates"
_SHARED = Path(gallery.__file__).parent / "templates"

Rows = Int[np.ndarray, " m"]


def write_groups(made: Grouping) -> Path:
    """Write ``groups.html`` into the folder of groups, and return its path.

    Args:
        made: by `infomax.evaluation.groups_of_run`.
    """
    with stages() as stage:
        stage.begin("map and page")
        page = _page(made)
    out = made.folder / PAGE
    with replacing(out) as path:
        path.write_text(page, encoding="utf-8", errors="backslashreplace")
    return out


def _page(made: Grouping) -> str:
    pictures, source = _Pictures(made), str((made.found["data"] or {}).get("source", "data"))
    return page_template(_TEMPLATES, _SHARED).render(
        source=source,
        title=Path(source).name or source,
        noun=made.encoder.views.noun,
        channels=words_of_channels(_thumbnails(made, np.array([0])).shape[-1]),
        num=len(made.dataset),
        found=made.found,
        groups=[_group(made, pictures, one) for one in _numbers(made)],
        sets=_sets(made, pictures),
        furthest=_furthest(made, pictures),
        map=_map(made),
        sheet_of_pictures=pictures.sheet(),
        files=[Path(one).name for one in made.found["files"]],
    )


class _Pictures:
    """The pictures of a page that are not on the map, each on the sheet once."""

    def __init__(self, made: Grouping):
        self._made = made
        self._place: dict[int, int] = {}

    def of(self, rows: Rows) -> list[dict[str, Any]]:
        """Place and name of each picture."""
        names = self._made.dataset.names
        return [
            {
                "at": self._place.setdefault(int(row), len(self._place)),
                "name": str(names[int(row)]),
                "end": shortened(str(names[int(row)]), MAX_NAME),
            }
            for row in rows
        ]

    def sheet(self) -> Any:
        """All pictures that were asked for."""
        return sprites(_thumbnails(self._made, np.array([*self._place], int)), PICTURE_SIDE)


def _thumbnails(made: Grouping, rows: Rows) -> np.ndarray:
    order = np.sort(rows)  # rows of a file come fastest in their order
    found = made.encoder.views.thumbnails(made.dataset.subset(order))
    return np.asarray(found)[np.searchsorted(order, rows)]


def _numbers(made: Grouping) -> list[int]:
    return [*range(made.groups.num_groups), *([-1] if made.groups.num_without else [])]


def _group(made: Grouping, pictures: _Pictures, one: int) -> dict[str, Any]:
    rows = made.groups.by_typicality(one)
    others = Counter(made.groups.nearest_other[rows].tolist())
    others.pop(-1, None)
    least = rows[max(NUM_TYPICAL, len(rows) - NUM_LEAST) :] if one >= 0 else rows[:0]
    return {
        "number": one + 1,
        "size": len(rows),
        "share": len(rows) / len(made.dataset),
        "typical": pictures.of(rows[:NUM_TYPICAL]),
        "least": pictures.of(least),
        "next": others.most_common(1)[0][0] + 1 if others and one >= 0 else None,
    }


def _sets(made: Grouping, pictures: _Pictures) -> list[dict[str, Any]]:
    near = made.duplicates
    sizes = np.bincount(near.sets[near.sets >= 0], minlength=near.num_sets)
    found = []
    for one in np.argsort(-sizes, kind="stable")[:MAX_SETS]:
        members = near.members(int(one))
        within = near.sets[near.pairs[:, 0]] == one
        found.append(
            {
                "number": int(one) + 1,
                "pictures": pictures.of(members[:MAX_OF_SET]),
                "more": max(0, len(members) - MAX_OF_SET),
                "cosine": float(near.cosines[within].min()),
                "equal": bool(near.equal[within].all()),
            }
        )
    return found


def _furthest(made: Grouping, pictures: _Pictures) -> list[dict[str, Any]]:
    flagged = {*made.outliers.rows.tolist()}
    rows = made.outliers.furthest[:NUM_FURTHEST]
    shown = zip(rows, pictures.of(rows), strict=True)
    distance = made.outliers.distance
    return [{**one, "outlier": int(row) in flagged, "distance": float(distance[row])} for row, one in shown]


def _map(made: Grouping) -> dict[str, Any]:
    rows = np.sort(np.random.default_rng(0).permutation(len(made.dataset))[:MAX_ON_MAP])
    groups = made.groups.group[rows]
    names = {one: f"group {one + 1}" for one in range(made.groups.num_groups)}
    colours = dict(zip(names, gallery.colours(len(names)), strict=True))
    if made.groups.num_without:
        names[-1], colours[-1] = "no group", "#8a8f95"
    return {
        "what": f"{made.encoder.views.noun}s",
        "points": points_on_map(taken(made.features, rows)),
        "near": nearest_of_each(taken(made.features, rows)),
        "captions": [str(made.dataset.names[int(row)]) for row in rows],
        "colourings": [{"title": "groups", "of": groups.tolist(), "names": names, "colours": colours}],
        "sprites": sprites(_thumbnails(made, rows), MAP_PICTURE_SIDE),
        "has_map": len(rows) > 2,
    }
