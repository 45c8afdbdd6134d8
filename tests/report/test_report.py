"""The report page: complete from a full run folder, honest about a partial one, safe with hostile names."""

import base64
import io
import json
import re
import warnings
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from infomax.evaluation.probes.probe import ProbeResult
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.report import gallery, training, write_report
from infomax.report.classes import confusions
from infomax.report.page import report_run

HOSTILE = '<script>alert("x")</script>&'


class Page(HTMLParser):
    """Tags with their attributes, text, and whether tags are balanced."""

    VOID = frozenset({"meta", "link", "circle", "use", "path", "rect", "line", "br", "image", "input"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(html)
        self.words = re.sub(r"\s+", " ", "".join(self.text))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def rows(accuracy=0.9, name="AMDIM"):
    table = {name: accuracy, "random encoder": 0.5, "raw pixels": 0.7}
    return [
        {
            "representation": representation,
            "labels": labels,
            "probe": probe,
            "accuracy": one - few / 10,
            "std": 0.021 if few else None,
            "accuracies": [one],
            "num_labels": 15 if few else 1200,
            "num_test": 300,
            "chance": 0.334,
            "settings": {"C": 0.25, "seed": 0},
        }
        for representation, one in table.items()
        for few, labels in enumerate(["all", "5 per class"])
        for probe in ["linear", "nearest neighbours"]
    ]


def write_parts(folder, *, classes=("cat", "dog", "owl"), side=12, channels=3, num_images=24):
    rng = np.random.default_rng(0)
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({"data": "pets", "train": {"batch_size": 64, "betas": [0.8, 0.999]}})
    )
    (folder / "environment.json").write_text(json.dumps({"torch": "2.9", "num_images": 1200, "seed": 3}))
    lines = [
        "step,epoch,seconds,images_per_second,value,penalty,learning_rate,bits_1to5,ceiling_1to5,online_linear"
    ]
    lines += [f"{10 * i},{i / 10},{i},300,{-20 + i},1,0.001,{-3 + i / 10},6,{i / 100}" for i in range(60)]
    lines[5] = "40,0.4,4,300,-16,1,0.001,,6,"  # cells may be empty
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    pictures = rng.integers(0, 256, (3, 5, side, side, channels), dtype=np.uint8)
    np.savez(folder / "views.npz", view1=pictures[0], view2=pictures[1], original=pictures[2])
    data = {"source": "pets", "num_train": 1200}
    (folder / "evaluation.json").write_text(json.dumps({"protocol": "clean", "data": data, "rows": rows()}))
    (folder / "encoder.safetensors").write_bytes(b"")
    labels = np.arange(num_images) % max(1, len(classes)) if classes else np.full(num_images, -1)
    np.savez(
        folder / "gallery.npz",
        thumbnails=rng.integers(0, 256, (num_images, side, side, channels), dtype=np.uint8),
        embeddings=(rng.normal(size=(num_images, 8)) + 3 * np.eye(8)[labels % 8]).astype(np.float32),
        labels=labels,
        classes=np.array(classes, dtype=str),
    )


@pytest.fixture
def run(tmp_path):
    write_parts(tmp_path)
    return tmp_path


def page_of(run):
    return Page(write_report(run, overwrite=True).read_text(encoding="utf-8"))


def test_the_page_is_complete(run):
    path = write_report(run, overwrite=True)
    assert (
        path == run / "report.html" and sorted(p.name for p in run.iterdir() if p.name.startswith(".")) == []
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    headings = (
        "What labels can be told from the features|Map of the features|Groups|Nearest neighbours|Views|"
        "What was learned, in bits|How training went|To do it again"
    )
    places = [page.words.index(heading) for heading in headings.split("|")]
    assert places == sorted(places)
    assert "lower bound on the mutual information" in page.words and "InfoNCE" in page.words
    assert "log₂ of the number of candidates" in page.words
    assert "Online accuracy, on training views" in page.words and "not an evaluation" in page.words
    assert "train.batch_size" in page.words and "0.8,0.999" in page.words and "2.9" in page.words
    assert "infomax evaluate" not in page.words and "infomax report" not in page.words


def test_the_summary_and_the_table_say_what_evaluation_found(run):
    words = page_of(run).words
    assert (
        "fitted afterwards to its features with 1,200 labels, names 90.0 % of the test images correctly"
        in words
    )
    assert "With 15 labels (5 per class), it names 80.0 % (± 2.1)" in words
    assert "AMDIM is better than a random encoder and raw pixels here: 90.0 % (86.1 to 92.9) against" in words
    assert "right in 33.4 %" in words
    assert "80.0 ± 2.1" in words and "90.0 86.1–92.9" in words and "chance 33.4 %" in words
    assert "clearly better" not in words and "worse than" not in words


def test_the_best_of_each_column_is_marked_whoever_it_is(run):
    worse = rows(accuracy=0.6)
    (run / "evaluation.json").write_text(json.dumps({"rows": worse}))
    html = write_report(run, overwrite=True).read_text(encoding="utf-8")
    assert "AMDIM is worse than raw pixels here: 60.0 % (54.4 to 65.4) against 70.0 %" in html
    assert "or use raw pixels, which need no training" in html
    best = re.findall(r'class="best">([\d.]+)', html)
    assert best == ["70.0", "70.0", "60.0", "60.0"]


def test_nothing_is_fetched_from_anywhere(run):
    html = write_report(run, overwrite=True).read_text(encoding="utf-8")
    urls = set(re.findall(r"(?:https?:)?//[\w.]+[\w./]*", html.replace("data:image", "")))
    base64_free = {url for url in urls if re.match(r"https?://", url)}
    assert base64_free <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names, not addresses
    for tag, attributes in Page(html).tags:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert all(uri.startswith("data:") for uri in re.findall(r"url\(([^)#][^)]{0,20})", html))


def test_the_same_folder_gives_the_same_page(run):
    first = write_report(run, overwrite=True).read_bytes()
    assert write_report(run, overwrite=True).read_bytes() == first


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        ("evaluation.json", "Not evaluated yet"),
        ("metrics.csv", "no rows in metrics.csv"),
        ("views.npz", "No views.npz"),
        ("gallery.npz", "No map yet"),
        ("environment.json", "No environment.json"),
    ],
)
def test_a_missing_part_is_left_out_with_a_note(run, missing, note):
    (run / missing).unlink()
    page = page_of(run)
    assert note in page.words and page.open == []


def test_a_recipe_alone_is_enough(tmp_path):
    (tmp_path / "recipe.yaml").write_text("data: null\n")
    page = page_of(tmp_path)
    assert "infomax pretrain --resume" in page.words and page.open == []


def without_labels(run, **parts):
    """Make a run of which no label is known."""
    write_parts(run, classes=(), **parts)
    (run / "evaluation.json").unlink()
    text = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in text) + "\n")


def test_a_run_without_labels(run):
    without_labels(run)
    page = page_of(run)
    headings = ["Map of the features", "Groups", "Nearest neighbours", "Views", "bits", "How training went"]
    places = [page.words.index(heading) for heading in headings]
    assert places == sorted(places)
    assert "the images that it learned from had no labels" in page.words
    assert f"infomax evaluate {run} --data DATA" in page.words
    assert not re.search("accurac|classes|chance|correct", page.words.replace("lower bound", ""))
    buttons = [
        attributes for tag, attributes in page.tags if tag == "button" and "data-zoom" not in attributes
    ]
    assert len(buttons) > 1 and all("data-key" in one for one in buttons)  # of the groups alone
    assert any("other" in (attributes.get("class") or "") for _, attributes in page.tags) is False


@pytest.mark.parametrize(
    ("side", "channels", "num_images"),
    [(7, 1, 2), (96, 3, 11), (33, 4, 1), (40, 5, 4), (28, 2, 3), (5, 3, 3)],
)
def test_pictures_of_any_size_and_number(run, side, channels, num_images):
    write_parts(run, side=side, channels=channels, num_images=num_images)
    assert page_of(run).open == []


def test_what_users_name_is_escaped(run):
    write_parts(run, classes=(HOSTILE, "</style>", "</script><b>"))
    (run / "recipe.yaml").write_text(yaml.safe_dump({"data": HOSTILE, HOSTILE: {"x": HOSTILE}}))
    (run / "environment.json").write_text(json.dumps({HOSTILE: HOSTILE}))
    (run / "evaluation.json").write_text(json.dumps({"rows": rows(name=HOSTILE), "protocol": HOSTILE}))
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(text.replace("_1to5", f"_{HOSTILE.replace(chr(34), '')}$x_{{$"))
    html = write_report(run, overwrite=True).read_text(encoding="utf-8")
    assert "<script>alert" not in html and "<b>" not in html.split("<script>")[1].split("</script>")[0]
    page = Page(html)
    assert page.open == [] and sum(tag == "script" for tag, _ in page.tags) == 1
    assert HOSTILE in page.words


def test_a_report_while_training_has_just_begun(run):
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text(lines[0] + "\n")
    assert "no rows in metrics.csv" in page_of(run).words
    (run / "metrics.csv").write_text("\n".join(lines[:2]) + "\n")
    assert "1 → 5" in write_report(run, overwrite=True).read_text(encoding="utf-8")


def test_bits_have_one_ceiling_or_one_each():
    steps = np.arange(3.0)
    metrics = {"epoch": steps, "bits_1to5": steps, "bits_1to7": steps, "ceiling_1to5": steps * 0 + 7}
    metrics["ceiling_1to7"] = metrics["ceiling_1to5"]
    assert [line.label for line in training.bits_curves(metrics)] == ["1 → 5", "1 → 7", "ceiling"]
    metrics["ceiling_1to7"] = steps * 0 + 8
    assert [line.label for line in training.bits_curves(metrics)][2:] == ["ceiling 1 → 5", "ceiling 1 → 7"]


def test_terms_are_said_in_words(run):
    assert training.term_words("1to1") == "How well one view as a whole predicts the other as a whole"
    assert training.term_words("7to1").startswith(
        "How well each place of one view, on a map of side 7, predicts"
    )
    assert [training.term_words(name) for name in ("local", "to", "1to", "xto5")] == [""] * 4
    words = page_of(run).words
    assert (
        "How well one view as a whole predicts each place of the other, on a map of side 5 (1 → 5)." in words
    )


def test_each_chart_has_a_form_for_phones(run):
    html = write_report(run, overwrite=True).read_text(encoding="utf-8")
    assert html.count('<svg class="chart wide"') == html.count('<svg class="chart narrow"') == 2
    ids = re.findall(r'id="(\w+)"', "".join(re.findall(r"<clipPath.*?>", html)))
    assert len(ids) == len(set(ids)) > 0  # that of a hidden chart would cut off the other
    assert "#22262b" not in html.split("</style>")[-1]  # text of charts takes the colour of the page


def test_the_environment_is_lines(run):
    facts = {"threads": 2, "data": {"source": "a", "notes": []}, "recipes": [{"x": 1}]}
    facts["stages"] = [{"first_step": 0, "last_step": 1000}, {"first_step": 1000, "last_step": 1500}]
    (run / "environment.json").write_text(json.dumps(facts))
    words = page_of(run).words
    assert "data.notesnone" in words and "steps0 to 1,000; 1,000 to 1,500" in words and "recipes" not in words
    (run / "environment.json").write_text(json.dumps({"stages": [{"first_step": "a"}]}))
    with pytest.raises(ValueError, match=r"report: cannot read .*environment.json.*first_step"):
        write_report(run, overwrite=True)


def test_the_neighbours_of_each_point():
    features = np.random.default_rng(3).normal(size=(40, 5)).astype(np.float32)
    expected = (
        NearestNeighbors(n_neighbors=8, metric="cosine").fit(features).kneighbors(return_distance=False)
    )
    np.testing.assert_array_equal(gallery.nearest_of_each(features), expected)
    assert gallery.nearest_of_each(features[:1]) == [[]]
    assert gallery.nearest_of_each(features[:2]) == [[1], [0]]


def test_neighbors_are_the_nearest_others_by_cosine():
    features = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    labels = np.arange(50) % 5
    found = gallery.neighbors(features, labels)
    assert sorted(labels[query] for query, _ in found)[:10] == [
        0,
        0,
        0,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
    ]  # classes in turn
    index = NearestNeighbors(metric="cosine").fit(features)
    for query, others in found:
        expected = index.kneighbors(features[[query]], 11, return_distance=False)[0][1:]
        np.testing.assert_array_equal([i for i, _ in others], expected)


def test_the_map_keeps_groups_together():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    places = gallery.places_on_map((10 * np.eye(3)[labels] + rng.normal(size=(90, 3))).astype(np.float32))
    assert places.min() >= 0 and places.max() <= 1000
    nearest = NearestNeighbors(n_neighbors=6).fit(places).kneighbors(return_distance=False)
    assert np.mean(labels[nearest] == labels[:, None]) > 0.95


def test_equal_embeddings_still_have_a_map():
    places = gallery.places_on_map(np.ones((12, 4), np.float32))
    assert np.isfinite(places).all()


def test_errors(tmp_path, run):
    with pytest.raises(FileNotFoundError, match=r"no run folder.*no recipe.yaml"):
        write_report(tmp_path / "nowhere")
    (run / "gallery.npz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"report: cannot read .*gallery.npz.*make it again"):
        write_report(run, overwrite=True)


def test_each_protocol_has_its_own_tables(run):
    """The clean one leads; the paper's never does, and says what is wrong with it."""
    paper = [{**row, "regime": "as published", "accuracy": 0.99} for row in rows()]
    (run / "evaluation-paper.json").write_text(
        json.dumps({"protocol": "paper", "note": "batch norm is re-estimated", "rows": paper})
    )
    words = page_of(run).words
    assert words.index("Protocol: clean") < words.index("Protocol: paper")
    assert "batch norm is re-estimated" in words and "AMDIM, as published" in words
    assert "names 90.0 % of the test images" in words
    (run / "evaluation.json").unlink()
    words = page_of(run).words
    assert "the test images correctly" not in words and "AMDIM is better" not in words
    assert "Protocol: paper" in words


def test_a_dim_evaluation_under_the_old_name_is_shown(run):
    old = {"protocol": "dim", "rows": [{**row, "layer": "fc"} for row in rows(name="DIM")]}
    (run / "evaluation.json").write_text(json.dumps(old))
    words = page_of(run).words
    assert "Protocol: dim" in words and "DIM, fc" in words and "Protocol: clean" not in words
    (run / "evaluation-dim.json").write_text(json.dumps({**old, "rows": rows(name="newer")}))
    words = page_of(run).words
    assert words.count("Protocol: dim") == 1 and "newer" in words and "DIM, fc" not in words


def test_transfer_is_said(run):
    source = {"source": "/data/birds", "num_train": 5}
    for pretraining, said in (({"source": "pets", "split": "train"}, True), (None, False)):
        evaluation = {"protocol": "clean", "rows": rows(), "pretraining": pretraining, "data": source}
        (run / "evaluation.json").write_text(json.dumps(evaluation))
        words = page_of(run).words
        assert ("other images than it was pretrained on: /data/birds, not pets" in words) == said
        assert ("Pretrained on pets (train)." in words) == said


def test_fine_tuning_is_shown(run):
    names = [("AMDIM", "fine-tuning"), ("from scratch", "fine-tuning"), ("AMDIM", "linear probe")]
    tuned = [
        {**rows()[1], "labels": "10 %", "representation": one, "probe": probe, "accuracy": 0.7 + i / 10}
        for i, (one, probe) in enumerate(names)
    ]
    for name in ("finetuning.json", "finetuning-other.json"):
        (run / name).write_text(json.dumps({"pretraining": None, "data": {}, "rows": tuned}))
    html = write_report(run, overwrite=True).read_text(encoding="utf-8")
    words = Page(html).words
    assert html.count("<h2>Fine-tuning on few labels") == 2 and "10 %" in words
    for one, probe in names:
        assert f"{one}, {probe}" in words
    assert 'class="best">90.0' in html


def test_similarity_maps_are_shown(run):
    assert "Where is it, in other images?" not in page_of(run).words
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 32, 48, 3), dtype=np.uint8)
    names = np.array([["a", "a", HOSTILE, "c"]] * 2)
    np.savez(run / "similarity.npz", pictures=pictures, sources=np.array(["global", HOSTILE]), names=names)
    page = page_of(run)
    assert page.open == [] and "Where is it, in other images?" in page.words
    labels = [attributes.get("aria-label") for tag, attributes in page.tags if tag == "i"]
    assert labels.count(HOSTILE) == 2 and labels.count("c") == 2


@pytest.mark.parametrize(
    ("views", "method", "words"),
    [
        ({"image_size": 32}, "amdim", ["on images alone", "of one view of an image", "1,200 images"]),
        (
            {"name": "signal"},
            "amdim",
            ["on signals alone", "view of the same signal", "signals that it learned from had"],
        ),
        ({"name": "paired"}, "amdim", ["on pairs alone", "of one view of a pair", "parts of each pair"]),
        ({}, "dim", ["the global feature of an image tell", "its whole map of local features"]),
    ],
)
def test_words_follow_views_and_method(run, views, method, words):
    without_labels(run)
    if views.get("name") == "paired":
        pictures = np.zeros((2, 3, 8, 8, 3), np.uint8)
        np.savez(run / "views.npz", left=pictures[0], left_view=pictures[1])
    (run / "recipe.yaml").write_text(yaml.safe_dump({"views": views, "method": {"name": method}}))
    found = page_of(run).words
    for one in words:
        assert one in found


def test_an_encoder_of_signals_is_tested_on_signals(run):
    (run / "encoder.json").write_text(json.dumps({"views": {"name": "signal"}}))
    words = page_of(run).words
    assert "90.0 % of the test signals correctly" in words and "In each row a signal" in words


def test_unknown_kinds_are_refused(run):
    (run / "recipe.yaml").write_text("method: {name: amdmi}\n")
    with pytest.raises(ValueError, match=r"report: no method 'amdmi'; did you mean amdim\?"):
        write_report(run, overwrite=True)


# ------------------------------------------------------------------------------------------- results by class


def write_evaluation(path, *, num_classes=3, name=None, targets=(), accuracies=(0.9, 0.4, 0.5)):
    """Write an evaluation as this version does, of answers that are right as often."""
    rng = np.random.default_rng(0)
    truth = np.arange(40 * num_classes) % num_classes
    found = []
    for one, share in zip(("AMDIM", "random encoder", "raw pixels"), accuracies, strict=True):
        wrong = (truth + rng.integers(1, num_classes, len(truth))) % num_classes
        answers = [np.where(rng.random(len(truth)) < share, truth, wrong)]
        result = ProbeResult.of_answers("linear", answers, 90, truth, {"C": 1})
        found.append({"representation": one, "labels": "all", **asdict(result)})
    data = {"source": f"/data/{name or 'pets'}", "num_train": 90, "num_test": 40 * num_classes}
    evaluation = {
        "protocol": "clean",
        "data": {**data, **({"name": name} if name else {})},
        "classes": [f"kind {i}" for i in range(num_classes)],
        "notes": ["classes with 1 label, in the training part only: okapi"],
        "rows": [] if targets else found,
        "targets": list(targets),
        "measures": [],
    }
    path.write_text(json.dumps(evaluation))


@pytest.mark.parametrize("num_classes", [2, 12, 13, 100])
def test_each_class_and_what_is_taken_for_what(run, num_classes):
    write_evaluation(run / "evaluation.json", num_classes=num_classes)
    (run / "gallery.npz").unlink()  # takes its time
    page = page_of(run)
    assert page.open == []
    rows = json.loads((run / "evaluation.json").read_text())["rows"]
    for share in rows[1]["per_class"]["accuracy"]:
        assert f"{100 * share:.1f}" in page.words
    for one in ("AMDIM", "random encoder", "raw pixels"):
        assert f"What is taken for what: {one}" in page.words
    assert "kind 0 →" in page.words and "in the training part only: okapi" in page.words
    pictures = [attributes["href"] for tag, attributes in page.tags if tag == "image"]
    assert len(pictures) == (0 if num_classes <= 12 else 3)


def test_a_confusion_picture_has_a_pixel_for_each_pair():
    counts = np.eye(20, dtype=int) * 30
    counts[3, 5] = 10
    row = {"representation": "AMDIM", "confusion": {"labels": list(range(20)), "counts": counts.tolist()}}
    (found,) = confusions([row], [f"k{i}" for i in range(20)])
    picture = Image.open(io.BytesIO(base64.b64decode(found["picture"].split(",")[1])))
    pixels = np.asarray(picture)
    assert pixels.shape == (20, 20, 4)
    assert pixels[0, 0, 3] == 255 and pixels[0, 1, 3] == 0 and pixels[3, 5, 3] == 128  # √(10/40) = ½
    assert found["mistakes"] == [("k3", "k5", 10, 0.25)]


def test_several_data_sets_have_a_section_each(run):
    write_evaluation(run / "evaluation.json")
    write_evaluation(run / "evaluation-birds.json", name="birds", accuracies=(0.3, 0.6, 0.1))
    words = page_of(run).words
    assert "Protocol: clean, on pets" in words and "Protocol: clean, on birds" in words
    head = words.split("What labels can be told")[0]
    assert "pets (clean): AMDIM is better than a random encoder" in head
    assert "birds (clean): AMDIM is worse than a random encoder here" in head


def test_numbers_and_tags_have_tables(run):
    targets = [
        {
            "representation": one,
            "probe": probe,
            "kind": kind,
            "target": target,
            "measures": {measure: {"value": value, "interval": interval, "constant": -0.125}},
            "num_test": 77,
            "settings": {},
        }
        for kind, probe, measure, interval in (
            ("number", "ridge", "r2", [0.25, 0.875]),
            ("tag", "linear", "auroc", None),
            ("tag", "linear", "average_precision", None),
        )
        for one, value in (("AMDIM", 0.75), ("random encoder", None))
        for target in ("age", "")
        if measure != "auroc"
    ]
    write_evaluation(run / "evaluation.json", targets=targets)
    page = page_of(run)
    assert page.open == [] and "R², ridge probe" in page.words
    assert "average precision, linear probe" in page.words and "names" not in page.words.split("What")[0]
    assert "0.750 0.250–0.875" in page.words and "-0.125" in page.words and "mean" in page.words
    assert "Small numbers: 95 % intervals over resampled" in page.words and "R² below 0" in page.words
    assert "Accuracy is in percent" not in page.words  # there is no table of accuracies
    write_evaluation(run / "evaluation.json", targets=targets[-4:])
    assert "Small numbers" not in (words := page_of(run).words) and "R² below 0" not in words


def test_pictures_of_many_channels_say_which_they_show(run):
    with np.load(run / "gallery.npz") as arrays:
        arrays = {**arrays, "thumbnails": arrays["thumbnails"][..., :1].repeat(5, -1)}
    np.savez(run / "gallery.npz", **arrays)
    assert "Pictures show the first three of 5 channels, as red, green and blue." in page_of(run).words


def test_features_that_are_all_the_same_are_said_to_be(run):
    with np.load(run / "gallery.npz") as arrays:
        arrays = {**arrays, "embeddings": np.ones((24, 8), np.float32)}
    np.savez(run / "gallery.npz", **arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = page_of(run)
    assert page.open == [] and "the encoder tells nothing apart" in page.words
    assert "Groups" not in page.words and "Nearest neighbours" not in page.words


# --------------------------------------------------------------------------- pictures that the report makes


def write_run(folder, source, encoder, views, **recipe):
    """Make a run of an encoder that nothing has trained."""
    for place in views.encoders:
        (folder / place.folder).mkdir(parents=True, exist_ok=True)
        save_encoder(folder / place.folder, encoder(place.views), place.views)
    settings = {"data": str(source), "method": {"name": "amdim"}, "views": asdict(views), **recipe}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(settings))))


def tiny(views):
    """An encoder of pictures of 32 pixels, or of signals, with the same weights each time."""
    torch.manual_seed(0)
    if len(views.input_shape) == 2:
        return SignalEncoder(views.length, views.input_shape[0], 8, 16, 1)
    return AMDIMEncoder(32, 8, 16, 1, channels=views.input_shape[0])


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(14):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(folder / f"{i:02}.png")
    return folder


GREY_VIEWS = ViewsConfig(stored_size=32, image_size=32, mean=(0.5,), std=(0.3,))


def test_a_run_without_evaluation_shows_what_it_learned_from(tmp_path, pictures, capsys):
    run = tmp_path / "run"
    write_run(run, pictures, tiny, GREY_VIEWS)
    written = report_run(run, overwrite=True)
    assert (run / "gallery.npz").is_file() and (run / "similarity.npz").is_file()
    said = f"the page shows the 14 images it learned from ({pictures}, split train)"
    assert said in capsys.readouterr().err and written.notes == (said,)
    page = Page(written.path.read_text())
    assert page.open == [] and said.removeprefix("the page shows ") in page.words
    assert written.shown[:4] == ("map", "groups", "neighbours", "similarity maps")
    assert "accurac" not in page.words and list(written.missing.values()) == [
        f"infomax evaluate {run} --data DATA"
    ]
    with np.load(run / "gallery.npz") as arrays:
        assert list(arrays["names"][:2]) == ["00.png", "01.png"] and (arrays["labels"] == -1).all()
        encoder = load_encoder(run)
        expected = encoder(encoder.views.load(pictures).batch(slice(0, 3))).global_
        np.testing.assert_allclose(arrays["embeddings"][:3], expected, rtol=1e-5, atol=1e-6)
    capsys.readouterr()
    assert report_run(run, overwrite=True).notes == () and capsys.readouterr().err == ""  # made once


def test_data_that_has_moved_is_said_and_can_be_given(tmp_path, pictures, capsys):
    run = tmp_path / "run"
    write_run(run, pictures, tiny, GREY_VIEWS)
    pictures.rename(tmp_path / "moved")
    written = report_run(run, overwrite=True)
    assert "no map, groups or neighbours" in capsys.readouterr().err
    assert f"infomax report {run} --data DATA" in Page(written.path.read_text()).words
    assert "map" not in written.shown and not (run / "gallery.npz").exists()
    given = report_run(run, tmp_path / "moved", overwrite=True)
    assert "map" in given.shown and given.notes == (
        f"the page shows the 14 images ({tmp_path / 'moved'}, split train)",
    )
    with pytest.raises(FileNotFoundError, match="nowhere"):
        report_run(run, tmp_path / "nowhere", overwrite=True)


def test_data_that_has_changed_is_not_called_what_was_learned_from(tmp_path, pictures, capsys):
    run = tmp_path / "run"
    write_run(run, pictures, tiny, GREY_VIEWS)
    (run / "environment.json").write_text(json.dumps({"images": "another fingerprint"}))
    written = report_run(run, overwrite=True)
    assert "has changed since" in capsys.readouterr().err
    assert "14 images of data that has changed since training" in written.notes[0]


def test_a_run_that_is_not_finished_gets_no_pictures(tmp_path, pictures):
    run = tmp_path / "run"
    write_run(run, pictures, tiny, GREY_VIEWS)
    (run / "encoder.safetensors").unlink()
    written = report_run(run, overwrite=True)
    assert written.notes == () and written.missing == {"the encoder": f"infomax pretrain --resume {run}"}


def test_only_what_lies_in_the_folder_is_read_where_that_is_wanted(tmp_path, pictures):
    run = tmp_path / "run"
    write_run(run, pictures, tiny, GREY_VIEWS)
    assert report_run(run, pictures=False, overwrite=True).notes == () and not (run / "gallery.npz").exists()


def test_signals_and_both_encoders_of_a_pair(tmp_path, capsys):
    """Each encoder has its own map, of what it sees itself."""
    run = tmp_path / "signals"
    np.save(tmp_path / "s.npy", np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32))
    write_run(run, tmp_path / "s.npy", tiny, SignalViewsConfig(stored_length=64, length=64))
    page = Page(write_report(run, overwrite=True).read_text())
    assert page.open == [] and "12 signals it learned from" in page.words

    table, run = tmp_path / "pairs.parquet", tmp_path / "pairs"
    write_pairs(table)
    parts = {"first": GREY_VIEWS, "second": replace(GREY_VIEWS, mean=(0.4,))}
    write_run(run, table, tiny, PairedViewsConfig(columns=("left", "right"), **parts))
    written = report_run(run, overwrite=True)
    page = Page(written.path.read_text())
    assert page.open == [] and len(written.notes) == 2
    for one in ("left", "right"):
        assert (run / one / "gallery.npz").is_file()
        assert f"Map of the features: {one}" in page.words and f"Nearest neighbours: {one}" in page.words
    maps = [attributes["id"] for tag, attributes in page.tags if attributes.get("id", "").startswith("map")]
    assert maps == ["map0", "map1"]
    with np.load(run / "left" / "gallery.npz") as left, np.load(run / "right" / "gallery.npz") as right:
        assert left["thumbnails"].mean() < 100 < right["thumbnails"].mean()
    own = Page(write_report(run / "right").read_text())
    assert own.open == [] and "12 images it learned from" in own.words


def write_pairs(path):
    """Write a table of two columns of pictures: dark on the left, bright on the right."""
    rng = np.random.default_rng(0)
    columns = {}
    for name, offset in (("left", 0), ("right", 200)):
        files = []
        for _ in range(12):
            file = io.BytesIO()
            Image.fromarray((rng.integers(0, 50, (32, 32)) + offset).astype(np.uint8)).save(file, "PNG")
            files.append({"bytes": file.getvalue(), "path": None})
        columns[name] = files
    pl.DataFrame(columns).write_parquet(path)
