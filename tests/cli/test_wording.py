"""Errors and warnings in the words of the command line."""

import warnings

import pytest

from infomax.cli import main
from infomax.cli.commands.report import Report
from infomax.cli.wording import as_typed, plain_warnings

RUN = ["run", "--data", "digits"]


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("measure", "rank_columns: no column 'x'", "measure: no column 'x'"),
        ("measure", "pairwise: expected 2", "measure: expected 2"),
        ("measure", "KSG: x must be continuous", "measure: KSG: x must be continuous"),
        ("measure", "y@9: a lag must be from 0", "measure: y@9: a lag must be from 0"),
        ("measure", "plot: a.png exists", "--plot: a.png exists"),
        ("measure", "measure: decimal must be .", "measure: --decimal must be ."),
        ("measure", "measure: t.csv: the seed must be", "measure: t.csv: the seed must be"),
        ("embed", "load_encoder: a/b.json is bad", "embed: a/b.json is bad"),
        ("embed", "no/skip_broken/x is no run folder", "embed: no/skip_broken/x is no run folder"),
        (
            "embed",
            "load_images: leave them out with --skip-broken (skip_broken=True)",
            "embed: leave them out with --skip-broken",
        ),
        ("embed", "processes: devices must be at least 1", "embed: processes: --devices must be at least 1"),
        (
            "evaluate",
            "few_labels: labels_per_class must be at least 1",
            "evaluate: --labels-per-class must be at least 1",
        ),
        (
            "evaluate",
            "paper protocol: epochs must be at least 1 and batch_size at least 2",
            "evaluate: paper protocol: --epochs must be at least 1 and --batch-size at least 2",
        ),
        ("finetune", "finetune: num_draws must be at least 1", "finetune: --draws must be at least 1"),
        ("finetune", "num_labels: expected a share", "--num-labels: expected a share"),
        ("similarity", "similarity: source_side must be 7", "similarity: --source must be 7"),
        ("pretrain", "--config: a.yaml holds list", "--config: a.yaml holds list"),
        ("pretrian", "no command 'pretrian'", "no command 'pretrian'"),
    ],
)
def test_errors_are_about_what_was_typed(command, message, expected):
    assert as_typed([command], ValueError(message)) == expected


def test_errors_of_the_system_name_the_file(tmp_path):
    with pytest.raises(OSError) as caught:
        (tmp_path / "no" / "file").read_text()
    message = as_typed(["embed"], caught.value)
    assert message == f"embed: {tmp_path}/no/file: No such file or directory"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["embed", *RUN, "--out", "f.doc"],
            "embed: the suffix of f.doc says no format; expected .parquet,",
        ),
        (["embed", *RUN, "--out", "f.npz", "--columns"], "embed: .npz holds features as one array; leave"),
        (["embed", *RUN, "--out", "f.csv"], "embed: run holds no encoder.json"),
        (
            ["embed", *RUN, "--out", "f.csv", "--devices", "0"],
            "embed: --devices must be at least 1, got 0; it may be left out",
        ),
        (
            ["evaluate", *RUN, "--protocol", "paper", "--epochs", "0"],
            "evaluate: paper protocol: --epochs must be",
        ),
        (["evaluate", *RUN], "evaluate: run holds no encoder.json"),
        (["finetune", *RUN, "--num-labels", "some"], "--num-labels: expected a share such as 10%"),
        (["report", "run"], "report: "),
        (["import-amdim", "none.pth", "--out", "x"], "import-amdim: "),
    ],
)
def test_refusals(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"infomax: {message}")
    assert len(err.splitlines()) == 1


def test_a_warning_is_one_line_and_said_once(capsys, monkeypatch):
    def warn(_):
        for _ in range(3):
            warnings.warn("one\n  of [many]", stacklevel=1)
        warnings.warn("another", FutureWarning, stacklevel=1)
        warnings.warn("for those who write code", DeprecationWarning, stacklevel=1)

    monkeypatch.setattr(Report, "__call__", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)
        assert main(["report", "run"]) == 0
    assert capsys.readouterr().err == "warning: one of [many]\nwarning: another\n"


def test_the_second_process_does_not_warn(capsys, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")
    with plain_warnings():
        warnings.warn("said by the first", stacklevel=1)
    assert capsys.readouterr().err == ""


def test_warnings_do_not_name_functions_of_python(capsys):
    with plain_warnings(["embed", "run"]):
        warnings.warn("load_images: leave it out with --skip-broken (skip_broken=True)", stacklevel=1)
    assert capsys.readouterr().err == "warning: leave it out with --skip-broken\n"
