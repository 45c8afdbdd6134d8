"""The report page: complete from a full run folder, honest about a partial one, safe with hostile names."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from sklearn.neighbors import NearestNeighbors

from infomax.report import gallery, training, write_report

HOSTILE = '<script>alert("x")</script>&'


class Page(HTMLParser):
    """Tags with their attributes, text, and whether tags are balanced."""

    VOID = frozenset({"meta", "link", "circle", "use", "path", "rect", "line", "br", "image"})

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


def write_parts(folder, *, classes=("cat", "dog", "owl"), side=12, channels=3, num_images=40):
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
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_the_page_is_complete(run):
    path = write_report(run)
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
    assert "train.batch_size" in page.words and "0.8, 0.999" in page.words and "2.9" in page.words
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
    html = write_report(run).read_text(encoding="utf-8")
    assert "AMDIM is worse than raw pixels here: 60.0 % (54.4 to 65.4) against 70.0 %" in html
    assert "or use raw pixels, which need no training" in html
    best = re.findall(r'class="best">([\d.]+)', html)
    assert best == ["70.0", "70.0", "60.0", "60.0"]


def test_nothing_is_fetched_from_anywhere(run):
    html = write_report(run).read_text(encoding="utf-8")
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
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


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
    assert "the training images had no labels" in page.words
    assert f"infomax evaluate {run} --data DATA" in page.words
    assert not re.search("accurac|classes|chance|correct", page.words.replace("lower bound", ""))
    legend = [attributes for tag, attributes in page.tags if tag == "button"]
    assert len(legend) > 1 and all("data-key" in one for one in legend)  # of the groups alone
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
    html = write_report(run).read_text(encoding="utf-8")
    assert "<script>alert" not in html and "<b>" not in html.split("<script>")[1].split("</script>")[0]
    page = Page(html)
    assert page.open == [] and sum(tag == "script" for tag, _ in page.tags) == 1
    assert HOSTILE in page.words


def test_a_report_while_training_has_just_begun(run):
    lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics.csv").write_text(lines[0] + "\n")
    assert "no rows in metrics.csv" in page_of(run).words
    (run / "metrics.csv").write_text("\n".join(lines[:2]) + "\n")
    assert "1 → 5" in write_report(run).read_text(encoding="utf-8")


def test_bits_have_one_ceiling_or_one_each():
    steps = np.arange(3.0)
    metrics = {"epoch": steps, "bits_1to5": steps, "bits_1to7": steps, "ceiling_1to5": steps * 0 + 7}
    metrics["ceiling_1to7"] = metrics["ceiling_1to5"]
    assert [line.label for line in training.bits_curves(metrics)] == ["1 → 5", "1 → 7", "ceiling"]
    metrics["ceiling_1to7"] = steps * 0 + 8
    assert [line.label for line in training.bits_curves(metrics)][2:] == ["ceiling 1 → 5", "ceiling 1 → 7"]


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
        write_report(run)


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
    (run / "finetuning.json").write_text(json.dumps({"pretraining": None, "data": {}, "rows": tuned}))
    html = write_report(run).read_text(encoding="utf-8")
    words = Page(html).words
    assert "Fine-tuning on few labels" in words and "10 %" in words
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
            ["on signals alone", "view of the same signal", "training signals had"],
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
    assert "90.0 % of the test signals correctly" in words and "Signals (left)" in words


def test_unknown_kinds_are_refused(run):
    (run / "recipe.yaml").write_text("method: {name: amdmi}\n")
    with pytest.raises(ValueError, match=r"report: no method 'amdmi'; did you mean amdim\?"):
        write_report(run)
