"""Encoders on the Hugging Face hub, with a model card that is filled in from the run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi, ModelCard, ModelCardData, snapshot_download
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from torch import nn

from infomax.errors import refuse
from infomax.files import read_json, reading
from infomax.learning.encoders.saving import DESCRIPTION, WEIGHTS, PretrainedEncoder, load_encoder
from infomax.learning.exporting.graph import EncoderGraph
from infomax.learning.training.run import Run, as_yaml

CARD, RECIPE = "README.md", "recipe.yaml"


def from_pretrained(
    place: str | Path,
    module: nn.Module | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
) -> PretrainedEncoder:
    """Return an encoder from the hub, or from a folder with the same files.

    Args:
        place: ``owner/name`` or a folder; if both exist, the folder is taken.
        module: for an encoder that taps a network: one of the same shape, as of `load_encoder`.
        revision: branch, tag or commit on the hub.
        token: for the hub; None for the one that `huggingface_hub` has.

    Raises:
        ValueError: `place` is neither; further as `load_encoder`.
        FileNotFoundError: it holds no encoder.
    """
    if Path(place).exists():
        return load_encoder(place, module)
    name = _checked("from_pretrained", str(place))
    folder = snapshot_download(name, revision=revision, token=token, allow_patterns=[WEIGHTS, DESCRIPTION])
    return load_encoder(folder, module)


def push_to_hub(
    run: Any,
    name: str,
    module: nn.Module | None = None,
    *,
    private: bool = True,
    license: str | None = None,
    overwrite: bool = False,
    token: str | None = None,
) -> str:
    """Send the encoder of a run to the hub, with its model card; return its address.

    It sends what `write_hub_files` writes: weights, description, recipe and card. These hold only the name of
    the data.

    Args:
        run: a finished run, or its folder; where there are two encoders, the folder of one.
        name: ``owner/name``.
        module: as of `from_pretrained`.
        private: only the owner sees the repository.
        license: of the encoder, such as ``mit``; None says nothing.
        overwrite: add a commit if the repository exists.
        token: as of `from_pretrained`.

    Raises:
        ValueError: a name of another form.
        FileNotFoundError: the run has no encoder.
        HfHubHTTPError: the hub refuses, also where the repository exists.
    """
    api = HfApi(token=token)
    _checked("push_to_hub", name)
    with TemporaryDirectory(prefix="infomax-") as folder:
        write_hub_files(run, Path(folder) / "files", module, name=name, license=license)
        api.create_repo(name, private=private, exist_ok=overwrite)
        api.upload_folder(repo_id=name, folder_path=Path(folder) / "files")
    return f"https://huggingface.co/{name}"


def write_hub_files(
    run: Any,
    out: str | Path,
    module: nn.Module | None = None,
    *,
    name: str | None = None,
    license: str | None = None,
) -> Path:
    """Write what is sent to the hub into a new folder: weights, description, recipe, and the card, README.md.

    Args:
        run, module, license: as of `push_to_hub`.
        out: the folder.
        name: on the hub; None for the path of the folder.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError: the run has no encoder, or no recipe.
    """
    source, out = Run(getattr(run, "folder", run)), Path(out)
    if out.exists():
        raise FileExistsError(f"write_hub_files: {out} exists; choose another folder")
    encoder = load_encoder(source.folder, module)
    recipe = _without_paths(source)
    card = _card(source, encoder, name or str(out), license)
    out.mkdir(parents=True)
    for file in (WEIGHTS, DESCRIPTION):
        copyfile(source.folder / file, out / file)
    (out / RECIPE).write_text(recipe)
    card.save(out / CARD)
    return out


def _checked(operation: str, name: str) -> str:
    """Return a name on the hub.

    Raises:
        ValueError: it has another form.
    """
    owner, slash, rest = name.partition("/")
    refuse(
        not (owner and slash and rest) or "/" in rest or owner in (".", "..", "~"),
        f"{operation}: there is no folder {name}, and no such name on the hub; expected owner/name",
    )
    return name


def _without_paths(run: Run) -> str:
    """Return the recipe of a run as YAML; of places on this machine, only the last part of the name."""
    recipe = run.training.read_recipe()
    return as_yaml(replace(recipe, data=_name_of(recipe.data), labels=_name_of(recipe.labels)))


def _name_of(source: str | None) -> str | None:
    """Return what a source is called, without where it lies; names of other kinds stay."""
    is_path = source is not None and (Path(source).is_absolute() or Path(source).exists() or "\\" in source)
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2] if source and is_path else source


def _card(run: Run, encoder: PretrainedEncoder, place: str, license: str | None) -> ModelCard:
    """Return the model card."""
    graph = EncoderGraph(encoder, measured=False)
    noun = encoder.views.noun
    data = ModelCardData(
        library_name="infomax",
        license=license,
        pipeline_tag="image-feature-extraction" if noun == "image" else "feature-extraction",
        tags=["infomax", run.training.method.lower(), "self-supervised"],
    )
    text = _template().render(
        card_data=data.to_yaml(),
        name=place.rstrip("/").rpartition("/")[2],
        place=place,
        noun=noun,
        module=getattr(encoder.encoder, "module_class", None),
        input=graph.input,
        outputs=[f"`{one.name}`, {one}" for one in graph.outputs],
        method=run.training.method,
        training=_training(run),
        settings=_settings(run, encoder),
        metrics=", ".join(f"{key} {value:.4g}" for key, value in run.training.last_metrics().items()),
        evaluations=[*_evaluations(run)],
    )
    return ModelCard(text)


def _template() -> Template:
    """Return the template of cards."""
    loader = FileSystemLoader(Path(__file__).parent)
    how: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=loader, **how)  # nosec B701 # Markdown, not HTML
    return environment.get_template("model_card.md.jinja")


def _training(run: Run) -> dict[str, Any]:
    """Return what the first lines of a card say."""
    facts = run.training.read_environment()
    return {
        "num": f"{facts.get('num_images', 0):,}" if "num_images" in facts else "some",
        "data": _name_of(run.training.read_recipe().data) or "given in Python",
        "infomax": facts.get("infomax", ""),
    }


def _settings(run: Run, encoder: PretrainedEncoder) -> Mapping[str, str]:
    """Return the settings that a card shows."""
    recipe, facts = run.training.read_recipe(), run.training.read_environment()
    arguments: Any = getattr(encoder.encoder, "arguments", {})
    return {
        "method": run.training.method,
        "encoder": f"{type(encoder.encoder).__name__}({', '.join(f'{k}={v}' for k, v in arguments.items())})",
        "parameters": f"{sum(one.numel() for one in encoder.encoder.parameters()):,}",
        "steps": f"{recipe.train.steps or 0:,} of {recipe.train.batch_size} at a time",
        "optimizer": ", ".join(f"{key} {value}" for key, value in asdict(recipe.optimizer).items()),
        "seed": str(recipe.train.seed),
        "date": str(facts.get("date", "")),
        "versions": ", ".join(f"{key} {facts[key]}" for key in ("torch", "lightning") if key in facts),
    }


def _evaluations(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield the evaluations that lie in the run."""
    for path in sorted(run.folder.glob("evaluation*.json")):
        with reading("hub", path, "move it away, or make it again"):
            shown = _shown(read_json(path, "hub", "move it away, or make it again"))
        yield shown


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    data = found.get("data") or {}
    return {
        "name": data.get("name") or "data given in Python",
        "num_test": f"{data.get('num_test', 0):,}",
        "protocol": found.get("protocol", "clean"),
        "note": found.get("note", ""),
        "rows": [
            {**row, "name": _layered(row), "accuracy": _accuracy(row)} for row in found.get("rows") or ()
        ],
        "verdict": (found.get("verdict") or {}).get("words"),
    }


def _layered(row: Mapping[str, Any]) -> str:
    """Return the representation of a row, with its layer or regime where it has one."""
    return ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))


def _accuracy(row: Mapping[str, Any]) -> str:
    spread = "" if row.get("std") is None else f" ± {row['std']:.3f}"
    return f"{row['accuracy']:.3f}{spread}"
