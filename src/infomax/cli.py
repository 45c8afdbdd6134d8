"""The command ``infomax``: composes the library. Results are JSON on stdout, all else goes to stderr."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import infomax

_PROBES = "linear,mlp,knn"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 for bad input, 1 for a run that failed."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not pretrain:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        result = options.command(options, rest)
    except (ValueError, OSError) as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        return _complain("interrupted; a run continues with `infomax pretrain --resume RUN`", 130)
    except RuntimeError as error:
        if type(error).__name__ != "Diverged":
            raise
        return _complain(error, 1)
    print(json.dumps(result, indent=2))
    return 0


def demo(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Learn an encoder from the built-in digits, probe it, write a report."""
    from infomax.learning.assessment import FEW_LABEL_PROBES, PROBES, evaluate_run
    from infomax.learning.images import load_images
    from infomax.learning.recipes import recipe_named
    from infomax.learning.training import pretrain as run_recipe
    from infomax.report import write_report

    recipe = recipe_named("amdim-digits")
    assert recipe.data is not None
    size = recipe.views.stored_size
    images = load_images(recipe.data, size=size, channels=recipe.views.channels)
    run = run_recipe(recipe, images, _free_folder(Path(options.out)))
    result = evaluate_run(run, recipe.data, probes={**PROBES, **FEW_LABEL_PROBES})
    _show_probes(result)
    page = write_report(run.folder)
    return {"run": str(run.folder), "report": str(page), "rows": _short_rows(result)}


def recipes(_: argparse.Namespace, __: Sequence[str]) -> dict[str, str]:
    """List the recipes."""
    from infomax.learning.recipes import RECIPES

    return {name: (recipe.__doc__ or "").splitlines()[0] for name, recipe in RECIPES.items()}


def pretrain(options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Learn an encoder from unlabelled images."""
    from dataclasses import asdict, replace

    from infomax.learning.images import load_images
    from infomax.learning.recipes import recipe_from_mapping, recipe_from_options, recipe_named
    from infomax.learning.runs import Run
    from infomax.learning.training import pretrain as run_recipe
    from infomax.learning.training import resume

    if options.resume:
        _refuse(
            rest or options.recipe, "pretrain: --resume takes the recipe of the run; give nothing beside it"
        )
        recipe = recipe_from_mapping(Run(options.resume).read_recipe())
    else:
        _refuse(not options.recipe, "pretrain: no recipe given; `infomax recipes` lists them")
        recipe = recipe_from_options(recipe_named(options.recipe), rest)
    if options.dry_run:
        return asdict(recipe)
    _refuse(recipe.data is None, "pretrain: no images given; set --data to a folder, a file or a hub name")
    _refuse(not (options.resume or options.out), "pretrain: no place for the run; set --out to a new folder")
    recipe = replace(
        recipe, data=_absolute(str(recipe.data)), skip_broken=recipe.skip_broken or options.skip_broken
    )
    images = load_images(
        recipe.data,
        split=recipe.split,
        size=recipe.views.stored_size,
        channels=recipe.views.channels,
        skip_broken=recipe.skip_broken,
    )
    if options.resume:
        run = resume(recipe, images, Run(options.resume))
    else:
        run = run_recipe(recipe, images, options.out)
    return {
        "run": str(run.folder),
        "encoder": str(run.encoder),
        "num_images": len(images),
        "skipped": list(images.skipped),
    }


def evaluate(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Probe a run's features beside raw pixels and a random encoder."""
    from infomax.learning.assessment import PROBES, evaluate_run
    from infomax.learning.runs import Run

    names = options.probes.split(",")
    unknown = sorted(set(names) - PROBES.keys())
    _refuse(unknown, f"evaluate: no probe {', '.join(unknown)}; there are {', '.join(PROBES)}")
    result = evaluate_run(
        Run(options.run),
        options.data,
        overwrite=options.overwrite,
        probes={name: PROBES[name] for name in names},
        labels_per_class=options.labels_per_class or None,
        seed=options.seed,
    )
    _show_probes(result)
    return result


def embed(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Write the embedding of every image, to Parquet or .npy."""
    from infomax.learning.embedding import embed_to_file
    from infomax.learning.images import load_images
    from infomax.learning.pretrained import load_encoder

    encoder = load_encoder(options.run)
    views = encoder.views
    images = load_images(
        options.data,
        split=options.split,
        size=views.stored_size,
        channels=views.channels,
        skip_broken=options.skip_broken,
    )
    out = embed_to_file(encoder, images, options.out)
    return {"file": str(out), "num_images": len(images), "skipped": list(images.skipped)}


def report(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Write a run's page, report.html."""
    from infomax.report import write_report

    return {"report": str(write_report(Path(options.run)))}


def import_amdim(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Convert a checkpoint of the authors' public AMDIM code into encoder files."""
    from infomax.learning.pretrained import save_encoder
    from infomax.learning.public_amdim import load_public_checkpoint, public_views

    encoder = load_public_checkpoint(options.checkpoint)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    save_encoder(out, encoder, public_views(encoder))
    return {"encoder": str(out), **encoder.arguments}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infomax", description="From entropy to AMDIM: measure information, then learn by maximising it."
    )
    parser.add_argument("--version", action="version", version=f"infomax {infomax.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _add(commands, "demo", demo).add_argument("--out", default="infomax-demo", help="run folder")
    _add(commands, "recipes", recipes)

    command = _add(
        commands,
        "pretrain",
        pretrain,
        epilog="Every field of a recipe is an option, dotted: --data DIR, --train.minutes 5, "
        "--optimizer.lr 1e-3; --config FILE reads them from YAML. --dry-run shows them all.",
    )
    command.add_argument("recipe", nargs="?", help="name of a recipe, see `infomax recipes`")
    command.add_argument("--out", help="run folder, new or empty")
    command.add_argument("--resume", metavar="RUN", help="continue a run from its last checkpoint")
    command.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    command.add_argument("--dry-run", action="store_true", help="show the resolved recipe and stop")

    command = _add(commands, "evaluate", evaluate)
    command.add_argument("run", help="run folder")
    command.add_argument("--data", required=True, help="labelled images")
    command.add_argument("--probes", default=_PROBES, help=f"some of {_PROBES}")
    command.add_argument("--labels-per-class", type=int, default=5, help="few-label setting; 0 leaves it out")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation of the run")

    command = _add(commands, "embed", embed)
    command.add_argument("run", help="run folder")
    command.add_argument("--data", required=True, help="images")
    command.add_argument("--split", default="train")
    command.add_argument("--out", required=True, help="file to write, .parquet or .npy")
    command.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")

    _add(commands, "report", report).add_argument("run", help="run folder")

    command = _add(commands, "import-amdim", import_amdim)
    command.add_argument("checkpoint", help="file of the public code")
    command.add_argument("--out", required=True, help="folder for encoder.safetensors and encoder.json")
    return parser


def _add(commands: Any, name: str, command: Callable[..., Any], **keywords: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=command.__doc__, description=command.__doc__, **keywords)
    parser.set_defaults(command=command)
    return parser


def _complain(error: object, code: int) -> int:
    print(f"infomax: {error}", file=sys.stderr)
    return code


def _refuse(condition: object, message: str) -> None:
    if condition:
        raise ValueError(message)


def _absolute(source: str) -> str:
    """Paths as absolute ones, so that a run can be resumed from anywhere; other sources as they are."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def _free_folder(folder: Path) -> Path:
    """`folder`, or the first of folder-2, folder-3, … that does not exist."""
    candidates = [folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())


def _short_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    keys = ("representation", "probe", "labels", "accuracy", "std", "num_labels")
    return [{key: row[key] for key in keys} for row in result["rows"]]


def _show_probes(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("representation", "probe", "labels", "accuracy", title="Accuracy on the test images")
    for row in _short_rows(result):
        spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
        labels = f"{row['num_labels']:,} ({row['labels']})"
        table.add_row(row["representation"], row["probe"], labels, f"{row['accuracy']:.3f}{spread}")
    Console(stderr=True).print(table)


if __name__ == "__main__":
    sys.exit(main())
