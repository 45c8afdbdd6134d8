"""No command replaces what is there, unless it is asked to."""

from dataclasses import replace

import pytest

from infomax.cli import main
from infomax.files import check_free
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named

DIGITS = ("--data", "digits")

WRITES = {
    "report": ("report.html", ["report", "RUN", "--no-pictures"]),
    "embed": ("features.npy", ["embed", "RUN", *DIGITS, "--out", "FILE"]),
    "export": ("encoder.onnx", ["export", "RUN", "--out", "FILE"]),
    "similarity": ("similar.png", ["similarity", "RUN", *DIGITS, "--query", "0", "--out", "FILE"]),
    "search": ("found.png", ["search", "RUN", "--query", "0", *DIGITS, "--out", "FILE"]),
    "groups": ("groups/theirs.txt", ["groups", "RUN", *DIGITS, "--out", "FOLDER"]),
    "pretrain": ("theirs/notes.txt", ["pretrain", "amdim-digits", "--steps", "1", "--out", "FOLDER"]),
    "finetune": ("tuned/notes.txt", ["finetune", "RUN", *DIGITS, "--num-labels", "9", "--out", "FOLDER"]),
    "finetune, in the run": ("finetuning.json", ["finetune", "RUN", *DIGITS, "--num-labels", "9"]),
    "import-amdim": ("public/encoder.json", ["import-amdim", "public.pth", "--out", "FOLDER"]),
    "measure": ("plot.png", ["measure", "TABLE", "--target", "x", "--plot", "FILE"]),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recipe = recipe_named("amdim-digits")
    small = replace(recipe.method, encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1))
    train = replace(recipe.train, steps=1, batch_size=4)
    digits = load_images("digits", size=32, channels=1, progress=False)
    out = tmp_path_factory.mktemp("trained") / "run"
    return pretrain(replace(recipe, method=small, train=train), digits, out, quiet=True).folder


@pytest.mark.parametrize("command", WRITES)
def test_what_is_there_stays(run, command, capsys):
    name, words = WRITES[command]
    theirs = run / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("theirs")
    table = run / "table.csv"
    table.write_text("x,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(40)))
    places = {"RUN": run, "FILE": theirs, "FOLDER": theirs.parent, "TABLE": table}
    before = {path for path in run.rglob("*") if path.is_file()}
    assert main([str(places.get(word, word)) for word in words]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("infomax:")]
    assert str(theirs if theirs.parent == run else theirs.parent) in line
    assert theirs.read_text() == "theirs"
    assert {path for path in run.rglob("*") if path.is_file()} == before
    theirs.unlink()


def test_an_evaluation_and_a_page_are_replaced_when_that_is_asked_for(run, write, random_pixels, capsys):
    for number in range(24):
        seen = write(f"seen/{'ab'[number % 2]}/{number}.png", random_pixels(number, 8, 8))
    data = ["--data", str(seen.parent.parent), "--probes", "knn", "--labels-per-class", "0"]
    evaluate, report = ["evaluate", str(run), *data], ["report", str(run), "--no-pictures"]
    for command, file in ((evaluate, "evaluation.json"), (report, "report.html")):
        assert main(command) == 0
        first = (run / file).stat().st_mtime_ns
        assert main(command) == 2
        assert "exists; give --overwrite to replace it, or move it away" in capsys.readouterr().err
        assert (run / file).stat().st_mtime_ns == first
        assert main([*command, "--overwrite"]) == 0
        assert (run / file).stat().st_mtime_ns > first


def test_a_free_place(tmp_path):
    check_free("report", tmp_path / "new", False)
    check_free("report", tmp_path, True)
    with pytest.raises(FileExistsError, match=r"report: .* exists; give --overwrite"):
        check_free("report", tmp_path, False)
