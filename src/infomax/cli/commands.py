"""The command ``infomax``: composes the library. Results are JSON on stdout, all else goes to stderr."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import infomax
from infomax.principle.experiments import EXPERIMENTS

_PROBES = "linear,mlp,knn"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 for bad input, 1 for a run that failed."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in (pretrain, ablate):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        result = options.command(options, rest)
    except (ValueError, OSError) as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        remedy = "; the run continues with `infomax pretrain --resume RUN`"
        return _complain(f"interrupted{remedy if options.command is pretrain else ''}", 130)
    except RuntimeError as error:
        if type(error).__name__ != "Diverged":
            raise
        return _complain(error, 1)
    if result is not None:
        print(json.dumps(result, indent=2))
    return 0


def demo(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Learn an encoder from the built-in digits, probe it, write a report."""
    from infomax.evaluation.clean import FEW_LABEL_PROBES, PROBES
    from infomax.evaluation.protocols import evaluate_run
    from infomax.learning.training.loop import pretrain as run_recipe
    from infomax.learning.training.recipes import recipe_named
    from infomax.learning.views.contexts import load_contexts
    from infomax.report.page import write_report

    recipe = recipe_named("amdim-digits")
    assert recipe.data is not None
    images = load_contexts(recipe.views, recipe.data)
    run = run_recipe(recipe, images, _free_folder(Path(options.out)))
    result = evaluate_run(run, recipe.data, probes={**PROBES, **FEW_LABEL_PROBES})
    _show_probes(result)
    page = write_report(run.folder)
    return {"run": str(run.folder), "report": str(page), "rows": _short_rows(result)}


def recipes(_: argparse.Namespace, __: Sequence[str]) -> dict[str, str]:
    """List the recipes."""
    from infomax.learning.training.recipes import RECIPES

    return {name: (recipe.__doc__ or "").splitlines()[0] for name, recipe in RECIPES.items()}


def pretrain(options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any] | None:
    """Learn an encoder from unlabelled images, signals, or pairs of them."""
    from dataclasses import asdict, replace

    from infomax.learning.distributed.groups import rank, wait_for_all
    from infomax.learning.training.loop import pretrain as run_recipe
    from infomax.learning.training.loop import resume
    from infomax.learning.training.run import Run
    from infomax.learning.views.contexts import encoders_of, load_contexts

    recipe = _recipe_to_train(options, rest)
    if options.dry_run:
        return asdict(recipe)
    _refuse(recipe.data is None, "pretrain: no images given; set --data to a folder, a file or a hub name")
    _refuse(not (options.resume or options.out), "pretrain: no place for the run; set --out to a new folder")
    recipe = replace(
        recipe, data=_absolute(str(recipe.data)), skip_broken=recipe.skip_broken or options.skip_broken
    )
    images = load_contexts(
        recipe.views,
        recipe.data,
        split=recipe.split,
        column=recipe.column,
        skip_broken=recipe.skip_broken,
    )
    if options.evaluate:
        _evaluations(recipe, options.evaluate, None)  # found wanting before anything is trained
    if options.resume:
        run = resume(recipe, images, Run(options.resume))
    else:
        run = run_recipe(recipe, images, options.out)
    wait_for_all()  # and so for the encoder, which the first of several processes writes
    found = {"evaluation": _evaluations(recipe, options.evaluate, run.folder)} if options.evaluate else {}
    if rank() > 0:  # the first reports
        return None
    return {
        "run": str(run.folder),
        **found,
        **{
            f"{name} encoder".strip(): str(run.folder / name / run.encoder.name)
            for name in encoders_of(recipe.views)
        },
        "num_images": len(images),
        "skipped": list(images.skipped),
    }


def _recipe_to_train(options: argparse.Namespace, rest: Sequence[str]) -> Any:
    """That of the run to resume, or the one named, with options."""
    from infomax.learning.training.recipes import recipe_from_mapping, recipe_from_options, recipe_named
    from infomax.learning.training.run import Run

    if options.resume:
        _refuse(
            rest or options.recipe, "pretrain: --resume takes the recipe of the run; give nothing beside it"
        )
        return recipe_from_mapping(Run(options.resume).read_recipe())
    _refuse(not options.recipe, "pretrain: no recipe given; `infomax recipes` lists them")
    return recipe_from_options(recipe_named(options.recipe), rest)


def _evaluations(recipe: Any, source: str, folder: Path | None) -> list[dict[str, Any]]:
    """Of each encoder of a run, the clean protocol's rows on a source; without a run, only look at it.

    Columns are those of pretraining where the source is the same, else there are none.
    """
    from infomax.evaluation.clean import labelled_split
    from infomax.evaluation.protocols import evaluate_run
    from infomax.learning.training.run import Run
    from infomax.learning.views.contexts import encoders_of

    source, found = _absolute(source), []
    for name, views in encoders_of(recipe.views).items():
        column = (name or recipe.column) if source == recipe.data else None
        if folder is None:
            labelled_split(source, views, column=column)
            continue
        result = evaluate_run(Run(folder / name), source, column=column)
        _show_probes(result)
        found += [{**({"encoder": name} if name else {}), **row} for row in _short_rows(result)]
    return found


def evaluate(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any] | None:
    """Probe a run's features beside raw pixels and a random encoder."""
    from infomax.evaluation.protocols import evaluate_run
    from infomax.learning.distributed.groups import rank
    from infomax.learning.distributed.launching import together
    from infomax.learning.training.run import Run

    protocol_options = _protocol_options(options)
    with together(options.devices):
        result = evaluate_run(
            Run(options.run),
            _absolute(options.data),
            protocol=options.protocol,
            column=options.column,
            overwrite=options.overwrite,
            seed=options.seed,
            **protocol_options,
        )
    if rank() > 0:
        return None
    _show_probes(result)
    print(f"Protocol {result['protocol']}: {result['note']}", file=sys.stderr)
    return result


def embed(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any] | None:
    """Write the embedding of every image, to Parquet or .npy."""
    from infomax.evaluation.embedding import embed_to_file
    from infomax.learning.distributed.groups import rank
    from infomax.learning.distributed.launching import own_device, together
    from infomax.learning.encoders.saving import load_encoder
    from infomax.learning.views.contexts import load_seen

    encoder = load_encoder(options.run)
    images = load_seen(
        encoder.views,
        options.data,
        split=options.split,
        column=options.column,
        skip_broken=options.skip_broken,
    )
    with together(options.devices):
        out = embed_to_file(encoder.to(own_device()), images, options.out)
    if rank() > 0:
        return None
    return {"file": str(out), "num_images": len(images), "skipped": list(images.skipped)}


def finetune(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Fine-tune a run's encoder on a few labels, beside the same network from scratch and a linear probe."""
    from infomax.evaluation.finetuning import FinetuningConfig
    from infomax.evaluation.label_budget import LabelBudget
    from infomax.evaluation.protocols import finetune_run
    from infomax.learning.training.run import Run

    names = ("encoder_lrs", "max_steps", "batch_size")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    result = finetune_run(
        Run(options.run),
        _absolute(options.data),
        [LabelBudget.parse(text) for text in options.labels],
        column=options.column,
        out=options.out,
        overwrite=options.overwrite,
        num_draws=options.draws,
        config=FinetuningConfig(**{"encoder_lrs": (3e-4, 3e-3), **given}),
        seed=options.seed,
    )
    _show_probes(result)
    return {**result, **({"encoder": options.out} if options.out else {})}


def similarity(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Draw where other images hold what an image, or a cell of it, tells of them."""
    from infomax.evaluation.similarity_pictures import similarity_of_run
    from infomax.learning.training.run import Run

    return similarity_of_run(
        Run(options.run),
        options.query,
        _absolute(options.data),
        split=options.split,
        column=options.column,
        cell=options.cell,
        source_side=options.source,
        target=options.target,
        num_images=options.num,
        out=options.out,
    )


def principle(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Measure what the InfoMax principle implies, and write a page of every statement with its evidence."""
    from infomax.principle.results import Results
    from infomax.principle.running import run_experiments

    results = run_experiments(options.experiment, options.out, seed=options.seed)
    return {
        "page": str(Results(options.out).page),
        "experiments": {
            result.experiment: {"holds": result.holds, "finding": result.finding, "seconds": result.seconds}
            for result in results
        },
    }


def measure(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any] | None:
    """Measure how many bits the columns of a table tell of one of them, or of each other."""
    from rich.console import Console

    from infomax.estimation.tables.draw import check_picture, heat_map, ranking_chart, save_picture
    from infomax.estimation.tables.pairwise import pairwise
    from infomax.estimation.tables.rank import rank_columns
    from infomax.estimation.tables.read import read_frame
    from infomax.estimation.tables.show import as_mapping, as_table

    _check_measure(options)
    if options.plot:
        check_picture(options.plot)
    frame = read_frame(options.table, split=options.split)
    if options.rows is not None and options.rows < len(frame):
        frame = frame.sample(options.rows, seed=options.seed)
    settings = {"kinds": _kinds(options.kind), "seed": options.seed, "progress": True}
    if options.target:
        permutations = 199 if options.permutations is None else options.permutations
        found = rank_columns(
            frame,
            options.target[0],
            given=options.given,
            lags=options.lag or [0],
            num_permutations=permutations,
            **settings,
        )
        draw: Any = ranking_chart
    else:
        found = pairwise(frame, num_permutations=options.permutations or 0, **settings)
        draw = heat_map
    plot = {"plot": str(save_picture(draw, found, options.plot))} if options.plot else {}
    Console(stderr=True).print(as_table(found))
    return None if sys.stdout.isatty() else {"table": options.table, **as_mapping(found), **plot}


def ablate(options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Train a recipe of AMDIM without each of its parts in turn, and show what each is worth."""
    from dataclasses import replace

    from rich.console import Console
    from rich.markdown import Markdown

    from infomax.evaluation.ablation import VARIANTS, as_mapping, as_markdown
    from infomax.evaluation.ablation import ablate as run_ablation
    from infomax.learning.training.recipes import recipe_from_options, recipe_named

    recipe = recipe_from_options(recipe_named(options.recipe), rest)
    if options.minutes is not None:
        train = replace(recipe.train, minutes=options.minutes, steps=None, epochs=None)
        recipe = replace(recipe, train=train)
    _refuse(recipe.data is None, "ablate: no images given; set --data to a folder, a file or a hub name")
    rows = run_ablation(
        recipe,
        _absolute(str(recipe.data)),
        options.out,
        variants=options.only.split(",") if options.only else tuple(VARIANTS),
        num_seeds=options.seeds,
        max_labels=options.max_labels,
    )
    Console(stderr=True).print(Markdown(as_markdown(rows)))
    return {"folder": options.out, "rows": as_mapping(rows)}


def report(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Write a run's page, report.html."""
    from infomax.report.page import write_report

    return {"report": str(write_report(Path(options.run)))}


def import_amdim(options: argparse.Namespace, _: Sequence[str]) -> dict[str, Any]:
    """Convert a checkpoint of the authors' public AMDIM code into encoder files."""
    from infomax.learning.encoders.public_amdim import load_public_checkpoint, public_views
    from infomax.learning.encoders.saving import save_encoder

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
    _add(commands, demo).add_argument("--out", default="infomax-demo", help="run folder")
    _add(commands, recipes)
    _pretrain_options(_add(commands, pretrain, epilog=_PRETRAIN_NOTE))
    _evaluate_options(_add(commands, evaluate))
    _finetune_options(_add(commands, finetune))
    _similarity_options(_add(commands, similarity))
    _embed_options(_add(commands, embed))
    _ablate_options(_add(commands, ablate, epilog=_PRETRAIN_NOTE))
    _add(commands, report).add_argument("run", help="run folder")
    _measure_options(_add(commands, measure, epilog=_MEASURE_NOTE))
    _principle_options(_add(commands, principle))
    _import_amdim_options(_add(commands, import_amdim))
    return parser


_PRETRAIN_NOTE = (
    "Every field of a recipe is an option, dotted: --data DIR, --train.minutes 5, --optimizer.lr 1e-3; "
    "--config FILE reads them from YAML. --dry-run shows them all."
)
_DEVICES_HELP = "processes that share the work, each on a device of its own; 1, or as torchrun has started"
_MEASURE_NOTE = (
    "On a terminal it prints a table; JSON where the output goes elsewhere. COLUMN@2 is a column two rows "
    "earlier."
)


def _pretrain_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", nargs="?", help="name of a recipe, see `infomax recipes`")
    command.add_argument("--out", help="run folder, new or empty")
    command.add_argument("--resume", metavar="RUN", help="continue a run from its last checkpoint")
    command.add_argument(
        "--evaluate", metavar="DATA", help="then evaluate it on these labelled images, which may be others"
    )
    command.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")
    command.add_argument("--dry-run", action="store_true", help="show the resolved recipe and stop")


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="run folder")
    command.add_argument("--data", required=True, help="labelled images, of the run or others")
    command.add_argument("--column", help="of a table: what is seen")
    command.add_argument(
        "--protocol",
        choices=("clean", "paper", "dim"),
        default="clean",
        help="clean: probes of the global feature; paper: as the published AMDIM code evaluates; dim: every "
        "layer, and what Y knows, as in Deep InfoMax",
    )
    command.add_argument("--probes", help=f"of the clean protocol, some of {_PROBES}")
    command.add_argument(
        "--labels-per-class",
        type=int,
        help="few labels, to probe with (5) or to fine-tune on (dim: 50); 0 leaves it out",
    )
    command.add_argument(
        "--max-labels",
        type=int,
        metavar="N",
        help="of the dim protocol: training images used; 10,000, 0: all",
    )
    command.add_argument(
        "--epochs", type=int, help="of the paper protocol: of the classifiers; 120, for ImageNet 30"
    )
    command.add_argument(
        "--milestones",
        type=_numbers,
        metavar="A,B",
        help="of the paper protocol: epochs after which they learn at a fifth of the rate; 2/3 and 11/12 of "
        "them, for ImageNet 15,25",
    )
    command.add_argument("--batch-size", type=int, metavar="N", help="of the paper protocol: 200")
    command.add_argument("--devices", type=int, metavar="N", help=_DEVICES_HELP)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--overwrite", action="store_true", help="replace an earlier evaluation by the same protocol"
    )


def _finetune_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="run folder")
    command.add_argument("--data", required=True, help="labelled images")
    command.add_argument("--column", help="of a table: what is seen")
    command.add_argument(
        "--labels",
        nargs="+",
        required=True,
        metavar="NUMBER",
        help="10%% of them, 500 in all, or 50/class; several of these for several comparisons",
    )
    command.add_argument("--draws", type=int, default=3, metavar="N", help="of labels; 3")
    command.add_argument(
        "--encoder-lrs",
        type=_numbers,
        metavar="A,B",
        help="rates that held-out labels choose from; 3e-4,3e-3",
    )
    command.add_argument("--max-steps", type=int, metavar="N", help="of training, at most; 400")
    command.add_argument("--batch-size", type=int, metavar="N", help="64")
    command.add_argument("--out", metavar="FOLDER", help="for the fine-tuned encoder and its head")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--overwrite", action="store_true", help="replace an earlier finetuning.json")


def _similarity_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="run folder")
    command.add_argument(
        "--query",
        required=True,
        metavar="IMAGE",
        help="a file, or the number or name of an image of the data",
    )
    command.add_argument("--data", required=True, help="images to look into")
    command.add_argument("--split", help="of the data; test if there is one")
    command.add_argument("--column", help="of a table: what is seen")
    command.add_argument(
        "--cell", type=_cell, metavar="ROW,COLUMN", help="of a local map of the query; default: all of it"
    )
    command.add_argument("--source", type=int, default=5, metavar="SIDE", help="of the cell's map; 5")
    command.add_argument(
        "--target", type=int, metavar="SIDE", help="of the maps looked into; 7, but 5 for a cell"
    )
    command.add_argument("--num", type=int, default=12, help="of images drawn; 12")
    command.add_argument("--out", default="similarity.png", help="picture to write")


def _ablate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", help="name of a recipe of AMDIM, see `infomax recipes`")
    command.add_argument("--out", required=True, help="folder for the runs, the table and its picture")
    command.add_argument("--minutes", type=float, help="of training, each run")
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each variant; 3")
    command.add_argument("--only", metavar="A,B", help="variants, such as 'one scale'; all without it")
    command.add_argument("--max-labels", type=int, metavar="N", help="images to probe with; all without it")


def _embed_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="run folder")
    command.add_argument("--data", required=True, help="images, or signals")
    command.add_argument("--split", default="train")
    command.add_argument("--column", help="of a table: what is seen")
    command.add_argument("--out", required=True, help="file to write, .parquet or .npy")
    command.add_argument("--devices", type=int, metavar="N", help=_DEVICES_HELP)
    command.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read")


def _measure_options(command: argparse.ArgumentParser) -> None:
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    command.add_argument("table", help=".csv, .parquet, .arrow, … or hf:owner/name of the Hugging Face hub")
    command.add_argument(
        "--target", action="append", metavar="COLUMN", help="rank the others by it; without it, all pairs"
    )
    command.add_argument("--given", **several, default=[], metavar="COLUMN", help="columns that are known")
    command.add_argument("--lag", **several, type=int, help="rows by which the target is later; default 0")
    command.add_argument(
        "--kind",
        **several,
        default=[],
        metavar="COLUMN=KIND",
        help="labels or continuous, where what is inferred would be wrong",
    )
    command.add_argument(
        "--permutations", type=int, metavar="N", help="behind a p-value; 199, but 0 for all pairs"
    )
    command.add_argument("--rows", type=int, metavar="N", help="measure N rows chosen at random")
    command.add_argument("--plot", metavar="FILE", help="draw it: .png, .svg or .pdf")
    command.add_argument("--split", default="train", help="part of a data set that has several")
    command.add_argument("--seed", type=int, default=0)


def _principle_options(command: argparse.ArgumentParser) -> None:
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = _listing("experiments", {name: one.summary for name, one in EXPERIMENTS.items()})
    command.add_argument(
        "experiment", nargs="*", metavar="EXPERIMENT", help="some of those below; all if none"
    )
    command.add_argument(
        "--out", required=True, help="folder for figures, numbers and the page principle.html"
    )
    command.add_argument("--seed", type=int, default=0)


def _import_amdim_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("checkpoint", help="file of the public code")
    command.add_argument("--out", required=True, help="folder for encoder.safetensors and encoder.json")


def _listing(title: str, lines: Mapping[str, str]) -> str:
    """Names and what they mean, for the end of a help text."""
    width = max(map(len, lines)) + 2
    return f"{title}:\n" + "\n".join(f"  {name:{width}}{line}" for name, line in lines.items())


def _check_measure(options: argparse.Namespace) -> None:
    targets = options.target or []
    _refuse(len(targets) > 1, f"measure: got the targets {', '.join(targets)}; expected one --target")
    _refuse(
        not targets and (options.given or options.lag),
        "measure: --given and --lag are for information about a column; say which with --target",
    )
    _refuse(
        options.rows is not None and options.rows < 1,
        f"measure: --rows must be at least 1, got {options.rows}",
    )
    lagged = options.lag or any("@" in name for name in options.given)
    _refuse(
        options.rows and lagged, "measure: --rows picks rows at random, which have no lags; leave one out"
    )


_OF_PROTOCOL = {  # option of evaluate -> the protocols that have it
    "probes": ("clean",),
    "labels_per_class": ("clean", "dim"),
    "max_labels": ("dim",),
    "epochs": ("paper",),
    "milestones": ("paper",),
    "batch_size": ("paper",),
}


def _protocol_options(options: argparse.Namespace) -> dict[str, Any]:
    """What the protocol's function takes."""
    given = {name: getattr(options, name) for name in _OF_PROTOCOL if getattr(options, name) is not None}
    for name in given:
        protocols = _OF_PROTOCOL[name]
        _refuse(
            options.protocol not in protocols,
            f"evaluate: --{name.replace('_', '-')} is for --protocol {' or '.join(protocols)}, "
            f"not for {options.protocol}",
        )
    match options.protocol:
        case "clean":
            return _clean_options(**given)
        case "paper":
            from infomax.evaluation.paper import ClassifierTraining

            return {"training": ClassifierTraining(**given)}
        case _:
            return {key: value or None for key, value in given.items()}


def _clean_options(probes: str = _PROBES, labels_per_class: int = 5) -> dict[str, Any]:
    """What `assess` takes."""
    from infomax.evaluation.clean import PROBES

    names = probes.split(",")
    unknown = sorted(set(names) - PROBES.keys())
    _refuse(unknown, f"evaluate: no probe {', '.join(unknown)}; there are {', '.join(PROBES)}")
    return {"probes": {name: PROBES[name] for name in names}, "labels_per_class": labels_per_class or None}


def _cell(text: str) -> tuple[int, int]:
    row, column = map(int, text.split(","))
    return row, column


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def _kinds(options: Sequence[str]) -> dict[str, str]:
    """COLUMN=KIND, parsed."""
    for option in options:
        _refuse("=" not in option, f"measure: --kind expects COLUMN=KIND, such as age=labels, got {option!r}")
    return {column: kind for column, _, kind in (option.rpartition("=") for option in options)}


def _add(commands: Any, command: Callable[..., Any], **keywords: Any) -> argparse.ArgumentParser:
    """The parser of a command named as its function."""
    name = command.__name__.replace("_", "-")
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
    keys = ("representation", "layer", "regime", "probe", "labels", "accuracy", "std", "num_labels")
    return [{key: row[key] for key in keys if key in row} for row in result["rows"]]


def _show_probes(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from infomax.learning.distributed.groups import rank

    console = Console(stderr=True, quiet=rank() > 0)
    table = Table("representation", "probe", "labels", "accuracy", title="Accuracy on the test images")
    for row in _short_rows(result):
        spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
        labels = f"{row['num_labels']:,} ({row['labels']})"
        table.add_row(_layered(row), row["probe"], labels, f"{row['accuracy']:.3f}{spread}")
    console.print(table)
    if result.get("measures"):
        table = Table("representation", "measure of Y", "value", "kind", title="What the features know")
        for row in result["measures"]:
            value = f"{row['value']:.3f} ± {row['standard_error']:.3f} {row['unit']}"
            table.add_row(row["representation"], row["measure"], value.rstrip(), row["kind"])
        console.print(table)


def _layered(row: Mapping[str, Any]) -> str:
    """A representation, with its layer or its regime where there are several."""
    return ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))


if __name__ == "__main__":
    sys.exit(main())
