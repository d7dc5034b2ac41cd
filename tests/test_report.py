"""The report, from small `predictions/` and `metrics/` folders: refusals, the same bytes twice, tables, page."""

import base64
import csv
import io
import json
import random
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from pipeline.atomic import read_json, write_json, write_text
from pipeline.metrics import METRICS, score_row, signature
from pipeline.report.page import headline, verdicts, write_report
from pipeline.report.paper import TABLE_1, TABLE_2, paper_figures
from pipeline.report.results import Results, load_results
from pipeline.report.tables import comma_separated, latex, markdown, plain_text
from stages import report as stage

# row: title, encoder, tuning, visual, control of, feature width, share of words that go wrong
SYSTEMS: dict[str, tuple[str, str, str, str, str | None, int | None, float]] = {
    "clipsum_swapped": ("ClipSum, swapped frames", "clip_vit_b32", "frozen", "swapped", "clipsum", 128, 0.45),
    "zucchini": ("A user's own system", "clip_vit_b32", "frozen", "own", None, 128, 0.35),
    "clipsum_finetuned": ("ClipSum, fine-tuned", "clip_vit_b32", "finetuned", "own", None, 128, 0.20),
    "clipsum": ("ClipSum", "clip_vit_b32", "frozen", "own", None, 128, 0.18),
    "resnet152": ("BART + ResNet-152", "resnet152", "frozen", "own", None, 256, 0.30),
    "random_visual": ("BART + random visual", "random", "frozen", "own", None, 128, 0.41),
    "bart": ("BART (text only)", "none", "none", "none", None, None, 0.42),
}
ORDER = ["bart", "random_visual", "resnet152", "clipsum", "clipsum_finetuned", "zucchini", "clipsum_swapped"]
FOODS = ("onion", "tomato", "carrot", "garlic", "pepper", "potato", "leek", "mushroom", "courgette", "spinach")
ACTIONS = ("chop", "fry", "boil", "grate", "bake", "mix", "peel", "roast")


def jpeg(red: int, green: int) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (96, 72), (red, green, 90)).save(stream, "JPEG")
    return base64.b64encode(stream.getvalue()).decode()


def make_inputs(folder: Path, *, videos: int = 12, seeds: tuple[int, ...] = (0, 1), epochs: int = 5) -> Path:
    """Write plausible `predictions/` and `metrics/` below `folder`: noise on the references, worse for weaker rows."""
    generator = random.Random(1)
    names = [f"kitchen_test_{number:04d}" for number in range(videos)]
    references = {}
    for video in names:
        foods, actions = generator.sample(FOODS, 3), generator.sample(ACTIONS, 3)
        first = f"{actions[0].capitalize()} the {foods[0]} and {actions[1]} the {foods[1]} in a pan."
        references[video] = f"{first} Then {actions[2]} the {foods[2]}."
    for row, (title, encoder, tuning, visual, control_of, width, wrong) in SYSTEMS.items():
        lines = []
        for seed in seeds:
            for video in names:
                words = [generator.choice(FOODS) if generator.random() < wrong else word for word in references[video].split()]
                lines.append({"video_id": video, "seed": seed, "prediction": " ".join(words), "reference": references[video]})
        write_text(folder / "predictions" / f"{row}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        history = {
            str(seed): [
                {
                    "epoch": epoch,
                    "train_loss": 4 * 0.7**epoch + 0.3,
                    "val_loss": 4 * 0.72**epoch + 0.6 + 0.1 * seed,
                    "val_rouge2": (40 - 3 * seed) * (1 - wrong) * (1 - 0.6 ** (epoch + 1)),
                    "lr": 5e-4,
                    "seconds": 3.2,
                }
                for epoch in range(epochs)
            ]
            for seed in seeds
        }
        selection = {seed: {"best_epoch": epochs - 1, "val_rouge2": curve[-1]["val_rouge2"]} for seed, curve in history.items()}
        described = {
            "row": row, "title": title, "model": "bart" if row == "bart" else "summarizer", "encoder": encoder, "tuning": tuning,
            "control_of": control_of, "visual": visual, "study": "kitchen", "scale": "mini", "split": "test", "n_videos": videos,
            "seeds": list(seeds), "feature_width": width, "latency_ms": 18.4, "device": "cpu",
            "truncated": {"sources": 2 if row == "clipsum" else 0, "targets": 0},
            "parameters": {"trainable": 1_204_480, "total": 1_904_480},
            "metrics": score_row(pd.DataFrame(lines), resamples=100, seed=0), "signature": signature(),
            "selection": selection, "history": history,
            "protocol": {"epochs": 16, "lr_new": 1e-3, "betas": [0.9, 0.999], "encoder": encoder},
        }  # fmt: skip
        write_json(folder / "metrics" / f"{row}.json", described)
    lost = [{"video_id": "kitchen_train_0007", "split": "train", "reason": "the file ends in the middle of a frame"}]
    coverage = {
        name: {"asked": n, "ok": n - lost, "failed": lost}
        for name, n, lost in (("train", 40, 1), ("validation", 8, 0), ("test", 12, 0))
    }
    write_json(folder / "metrics" / "corpus.json", {"study": "kitchen", "dataset": "kitchen", "coverage": coverage, "lost": lost})
    frames = {"asked": 59, "ok": 59, "failed": 0, "frames": 708, "count": 12, "per_split": {}, "lost": [], "notes": []}
    write_json(folder / "metrics" / "frames.json", frames)
    boards = {video: [jpeg(20 * number, 40 * shot) for shot in range(6)] for number, video in enumerate(names)}
    write_json(folder / "metrics" / "storyboards.json", boards)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def inputs(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "inputs")
    return tmp_path / "inputs"


def load(inputs: Path) -> Results:
    return load_results(predictions=inputs / "predictions", metrics=inputs / "metrics")


def write(inputs: Path, out: Path) -> Path:
    write_report(predictions=inputs / "predictions", metrics=inputs / "metrics", out=out, resamples=200)
    return out


def change_metrics(inputs: Path, row: str, change: Callable[[dict[str, Any]], object]) -> None:
    value = read_json(inputs / "metrics" / f"{row}.json")
    change(value)
    write_json(inputs / "metrics" / f"{row}.json", value)


def change_lines(inputs: Path, row: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = inputs / "predictions" / f"{row}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def drop_video(lines: list[dict[str, Any]]) -> None:
    lines[:] = [line for line in lines if line["video_id"] != "kitchen_test_0003"]


PREDICTION_FAULTS: dict[str, tuple[Callable[[list[dict[str, Any]]], object], str]] = {
    "missing for one seed": (lambda lines: lines.pop(2), "'resnet152'.*'kitchen_test_0002' has no row for seed 0"),
    "missing for all seeds": (drop_video, "'resnet152': no prediction of video 'kitchen_test_0003'"),
    "duplicated": (lambda lines: lines.append(lines[1]), "'resnet152'.*'kitchen_test_0001', seed 0: this video already"),
    "unknown video": (
        lambda lines: [line.update(video_id="other") for line in lines if line["video_id"] == "kitchen_test_0000"],
        "'resnet152': no prediction of video 'kitchen_test_0000'",
    ),
    "other reference": (
        lambda lines: [line.update(reference="x") for line in lines if line["video_id"] == "kitchen_test_0004"],
        "'resnet152': the reference of video 'kitchen_test_0004'",
    ),
    "other reference under one seed": (
        lambda lines: lines[5].update(reference="x"),
        "'resnet152'.*'kitchen_test_0005', seed 1: the ref",
    ),
    "extra seed": (lambda lines: lines.extend([{**line, "seed": 9} for line in lines[:12]]), r"'resnet152'.*seeds \[0, 1, 9\]"),
    "no key": (lambda lines: lines[6].pop("prediction"), "'resnet152'.*line 7: expected an object with"),
    "other summaries": (
        lambda lines: [line.update(prediction="nothing") for line in lines[:12]],
        "'resnet152': its metrics say ROUGE-1",
    ),
    "empty": (lambda lines: lines.clear(), "'resnet152'"),
}


@pytest.mark.parametrize("fault", PREDICTION_FAULTS)
def test_faulty_predictions_are_named_by_row_and_video(inputs: Path, fault: str) -> None:
    change, message = PREDICTION_FAULTS[fault]
    change_lines(inputs, "resnet152", change)
    with pytest.raises(ValueError, match=message):
        load(inputs)


METRIC_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "split": (lambda value: value.update(split="validation"), "'clipsum': split is 'validation', row 'bart' has 'test'"),
    "study": (lambda value: value.update(study="youcook2"), "'clipsum': study"),
    "scale": (lambda value: value.update(scale="full"), "'clipsum': scale"),
    "n": (lambda value: value.update(n_videos=11), "'clipsum': n_videos is 11"),
    "seeds": (lambda value: value.update(seeds=[0, 1, 2]), "'clipsum': seeds"),
    "scorer": (lambda value: value["signature"].update(rouge1="another"), "'clipsum': signature"),
    "name": (lambda value: value.update(row="klipsum"), "clipsum.json: describes row 'klipsum'"),
    "no latency": (lambda value: value.pop("latency_ms"), "clipsum.json: latency_ms"),
    "no metric": (lambda value: value["metrics"].pop("bleu3"), "'clipsum': its metrics lack bleu3"),
    "seed of a metric": (lambda value: value["metrics"]["bleu3"]["per_seed"].pop("1"), "'clipsum': bleu3 has per_seed"),
    "control of nothing": (lambda value: value.update(control_of="ghost"), "'clipsum': control of 'ghost'"),
    "score": (lambda value: value["metrics"]["rouge1"].update(mean=99.0), "'clipsum': its metrics say ROUGE-1 99.000"),
}


@pytest.mark.parametrize("fault", METRIC_FAULTS)
def test_faulty_metrics_are_named_by_row(inputs: Path, fault: str) -> None:
    change, message = METRIC_FAULTS[fault]
    change_metrics(inputs, "clipsum", change)
    with pytest.raises(ValueError, match=message):
        load(inputs)


def test_a_row_in_one_folder_only_is_refused(inputs: Path) -> None:
    (inputs / "predictions" / "bart.jsonl").rename(inputs / "bart.jsonl")
    with pytest.raises(ValueError, match=r"'bart': .*bart.jsonl is missing"):
        load(inputs)
    (inputs / "bart.jsonl").rename(inputs / "predictions" / "bart.jsonl")
    (inputs / "metrics" / "zucchini.json").unlink()
    with pytest.raises(ValueError, match="'zucchini' has no"):
        load(inputs)


def test_no_rows_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dvc repro evaluate"):
        load(tmp_path)


def test_a_failed_report_leaves_the_old_one(inputs: Path, tmp_path: Path) -> None:
    out = write(inputs, tmp_path / "reports")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    change_metrics(inputs, "clipsum", lambda value: value.update(split="train"))
    with pytest.raises(ValueError, match="split"):
        write(inputs, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_rows_come_in_table_order_with_controls_last(inputs: Path) -> None:
    assert [row.name for row in load(inputs).rows] == ORDER


def test_same_inputs_give_the_same_bytes_and_stale_files_go(inputs: Path, tmp_path: Path) -> None:
    first, second = write(inputs, tmp_path / "first"), tmp_path / "second"
    second.mkdir()
    (second / "stale.txt").write_text("left over")
    for row in SYSTEMS:  # the order of lines in a file is no information
        change_lines(inputs, row, lambda lines: lines.reverse())
    write(inputs, second)
    names = ["curves.csv", "curves.svg", "index.html", "scores.json", "scores.svg"]
    names += ["table.csv", "table.md", "table.tex", "table.txt"]
    assert sorted(path.name for path in first.iterdir()) == sorted(path.name for path in second.iterdir()) == names
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "inputs", "second"]


def test_csv_holds_every_figure_unrounded(inputs: Path) -> None:
    results = load(inputs)
    records = list(csv.DictReader(io.StringIO(comma_separated(results))))
    assert [record["row"] for record in records] == ORDER
    for record, row in zip(records, results.rows, strict=True):
        for name in METRICS:
            score = row.metrics.metrics[name]
            assert [float(record[f"{name}{part}"]) for part in ("", "_low", "_high")] == [
                score.mean,
                score.ci95_low,
                score.ci95_high,
            ]
        assert int(record["parameters_total"]) == 1_904_480
        assert float(record["latency_ms"]) == 18.4
        assert record["seeds"] == "0 1"


def test_files_for_dvc_hold_headline_means_and_every_epoch(inputs: Path, tmp_path: Path) -> None:
    out, results = write(inputs, tmp_path / "reports"), load(inputs)
    scores = read_json(out / "scores.json")
    assert list(scores) == ORDER
    for row in results.rows:
        means = {name: row.metrics.metrics[name].mean for name in ("rouge1", "rouge2", "rougeL")}
        assert scores[row.name] == pytest.approx(means, abs=1e-4)
    epochs = list(csv.DictReader((out / "curves.csv").open()))
    assert len(epochs) == 6 * 2 * 5  # rows without the control, seeds, epochs
    last = results.rows[0].metrics.history["1"][-1]
    found = next(line for line in epochs if (line["row"], line["seed"], line["epoch"]) == ("bart", "1", "4"))
    assert float(found["val_rouge2"]) == pytest.approx(last.val_rouge2, abs=1e-4)
    assert (out / "table.txt").read_text() == plain_text(results) + "\n"


def test_markdown_shows_the_figures_of_the_metrics_file(inputs: Path) -> None:
    lines = markdown(load(inputs)).splitlines()
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.strip("|").split("|")] for line in lines[2 : 2 + len(ORDER)]
    }
    stored = read_json(inputs / "metrics" / "clipsum.json")["metrics"]["rouge2"]
    clipsum = dict(zip(header, cells["ClipSum"], strict=True))
    assert clipsum["R-2"] == f"{stored['mean']:.1f} [{stored['ci95_low']:.1f}, {stored['ci95_high']:.1f}]"
    assert (clipsum["R-1 paper"], clipsum["METEOR paper"], clipsum["n"], clipsum["Split"]) == ("33.0", "22.1", "12", "test")
    assert dict(zip(header, cells["BART (text only)"], strict=True))["Encoder"] == "–"
    assert dict(zip(header, cells["ClipSum, swapped frames"], strict=True))["R-1 paper"] == "–"
    tuned = dict(zip(header, cells["ClipSum, fine-tuned"], strict=True))
    assert (tuned["R-2 paper"], tuned["BLEU-4 paper"]) == ("6.0", "–")
    assert "Mini models on drawn videos: comparable to nothing outside this table." in lines[-1]
    assert "Study kitchen, test split, n = 12 videos, seeds 0, 1." in lines[-1]


def test_caption_of_full_scale_does_not_speak_of_mini_models(inputs: Path) -> None:
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(scale="full"))
    assert "comparable to nothing" not in markdown(load(inputs))


def test_latency_names_its_device_or_says_that_devices_differ(inputs: Path) -> None:
    assert "Latency: one summary, batch 1, on cpu." in markdown(load(inputs))
    change_metrics(inputs, "clipsum", lambda value: value.update(device="some GPU"))
    assert "batch 1; not all on the same device (cpu, some GPU)." in markdown(load(inputs))


def test_mini_models_on_a_users_videos_are_not_said_to_see_drawn_videos(inputs: Path) -> None:
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(study="my_videos"))
    (inputs / "metrics" / "corpus.json").unlink()
    text = markdown(load(inputs))
    assert "Mini models pretrained on drawn pictures: comparable to nothing outside this table." in text
    assert "drawn videos" not in text


def test_the_papers_figure_stands_only_beside_the_papers_row() -> None:
    assert paper_figures("clipsum", encoder="clip_vit_b32")["rouge1"] == 33.0
    assert paper_figures("clipsum", encoder="resnet152") == {}
    assert paper_figures("clipsum_finetuned", encoder="vit_b32") == {}
    assert paper_figures("clipsum_swapped", encoder="clip_vit_b32") == {}
    assert paper_figures("bart", encoder=None)["meteor"] == 18.5


def test_the_papers_tables_agree_where_they_overlap() -> None:
    for ablation, setting in (("fusion layer", "5"), ("CLIP", "frozen"), ("frames", "50")):
        assert TABLE_2[ablation][setting] == TABLE_1["clipsum"][:3]


def test_latex_escapes_and_balances(inputs: Path) -> None:
    change_metrics(inputs, "bart", lambda value: value.update(title=r"50% of R&D_1 #2 {x} $y ~z^ a\b"))
    text = latex(load(inputs))
    assert r"50\% of R\&D\_1 \#2 \{x\} \$y \textasciitilde{}z\textasciicircum{} a\textbackslash{}b" in text
    assert r"clip\_vit\_b32" in text
    assert r"\label{tab:kitchen}" in text
    assert r"\caption{Study kitchen, test split" in text
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count(r"\begin{") == text.count(r"\end{")
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body if line.endswith(r"\\")} == {17}


class Page(HTMLParser):
    """Collects what a page would load and the tags it has; void and SVG tags need no closing here."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "srcset", "poster", "action"):
                self.resources.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def test_page_loads_nothing_and_runs_nothing(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    page = Page(html)
    assert all(resource.startswith(("#", "data:image/jpeg;base64,")) for resource in page.resources)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)\)", html))
    anchors = [resource[1:] for resource in page.resources if resource.startswith("#")]
    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_page_escapes_what_models_and_users_write(inputs: Path, tmp_path: Path) -> None:
    attack = "<script>alert('x')</script> & <b>"
    change_metrics(inputs, "bart", lambda value: value.update(title=attack))
    change_lines(inputs, "bart", lambda lines: [line.update(prediction=f"{line['prediction']} {attack}") for line in lines])
    frame = pd.DataFrame([json.loads(line) for line in (inputs / "predictions" / "bart.jsonl").read_text().splitlines()])
    change_metrics(inputs, "bart", lambda value: value.update(metrics=score_row(frame, resamples=100, seed=0)))
    change_metrics(inputs, "bart", lambda value: value["protocol"].update(note=attack))
    corpus = read_json(inputs / "metrics" / "corpus.json")
    corpus["lost"][0]["reason"] = attack
    write_json(inputs / "metrics" / "corpus.json", corpus)
    out = write(inputs, tmp_path / "reports")
    html = (out / "index.html").read_text()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert") > 6
    assert "<script" not in (out / "scores.svg").read_text()
    assert "\\<script>" in (out / "table.md").read_text()


def test_headline_and_verdicts_follow_the_figures(inputs: Path) -> None:
    results = load(inputs)
    sentence = headline(results, resamples=300)
    best = max(results.rows[:-1], key=lambda row: row.metrics.metrics["rouge2"].mean)
    assert sentence.startswith(f"{best.metrics.title} has the highest ROUGE-2 of 6 systems")
    text_only, control = verdicts(results, resamples=300)
    assert "ClipSum differs from BART (text only), which sees no frames, in R-1 by +" in text_only
    assert "scores higher than" in text_only
    assert control.startswith("Swapping the frames of ClipSum changes R-1 by −")
    assert "depend on what the frames show" in control


def test_a_control_equal_to_its_row_is_no_evidence(inputs: Path) -> None:
    shutil.copy(inputs / "predictions" / "clipsum.jsonl", inputs / "predictions" / "clipsum_swapped.jsonl")
    scores = read_json(inputs / "metrics" / "clipsum.json")["metrics"]
    change_metrics(inputs, "clipsum_swapped", lambda value: value.update(metrics=scores))
    control = verdicts(load(inputs), resamples=300)[-1]
    assert "changes R-1 by +0.00 [+0.00, +0.00] and R-2 by +0.00 [+0.00, +0.00]" in control
    assert "no evidence" in control


def test_metrics_that_disagree_are_no_evidence_either_way(inputs: Path) -> None:
    # the same words in reverse order: ROUGE-1 stays, ROUGE-2 falls
    own = [json.loads(line) for line in (inputs / "predictions" / "clipsum.jsonl").read_text().splitlines()]
    turned = [line | {"prediction": " ".join(reversed(line["prediction"].split()))} for line in own]
    change_lines(inputs, "clipsum_swapped", lambda lines: lines.__setitem__(slice(None), turned))
    scores = score_row(pd.DataFrame(turned), resamples=100, seed=0)
    change_metrics(inputs, "clipsum_swapped", lambda value: value.update(metrics=scores))
    control = verdicts(load(inputs), resamples=300)[-1]
    assert "changes R-1 by +0.00 [+0.00, +0.00] and R-2 by −" in control
    assert "no clear evidence either way" in control


def test_optional_files_may_be_absent_and_the_page_says_so(inputs: Path, tmp_path: Path) -> None:
    for name in ("corpus", "frames", "storyboards"):
        (inputs / "metrics" / f"{name}.json").unlink()
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    for name in ("corpus", "frames", "storyboards"):
        assert f"metrics/{name}.json is absent" in html
    assert "data:image" not in html.replace("img-src data:", "")
    assert html.count("<article>") == 6


def test_page_shows_frames_lost_videos_protocol_and_signatures(inputs: Path, tmp_path: Path) -> None:
    html = (write(inputs, tmp_path / "reports") / "index.html").read_text()
    assert html.count("<img ") == 6 * 6
    assert "the file ends in the middle of a frame" in html
    assert "0.9, 0.999" in html
    assert "max_ngram_order:4" in html
    assert "kitchen_test_0000" in html
    assert "kitchen_test_0011" in html
    assert "Without training of their own: ClipSum, swapped frames." in html
    assert "ClipSum: sources 2, targets 0 cut at the token limit" in html
    assert "swapped frames" not in (tmp_path / "reports" / "curves.svg").read_text()


@pytest.mark.parametrize("image", ["not base64!", base64.b64encode(b"<svg onload=x>").decode()])
def test_a_frame_that_is_no_jpeg_is_refused(inputs: Path, tmp_path: Path, image: str) -> None:
    boards = read_json(inputs / "metrics" / "storyboards.json")
    boards["kitchen_test_0000"] = [image]
    write_json(inputs / "metrics" / "storyboards.json", boards)
    with pytest.raises(ValueError, match="'kitchen_test_0000': a frame is not"):
        write(inputs, tmp_path / "reports")


def test_one_row_alone_makes_a_report(inputs: Path, tmp_path: Path) -> None:
    for row in SYSTEMS:
        if row != "bart":
            (inputs / "predictions" / f"{row}.jsonl").unlink()
            (inputs / "metrics" / f"{row}.json").unlink()
    change_metrics(inputs, "bart", lambda value: value.update(history={}, selection={}, protocol={}))
    out = write(inputs, tmp_path / "reports")
    html = (out / "index.html").read_text()
    assert "nothing to compare yet" in html
    assert "The row clipsum is not evaluated" in html
    assert "there are no curves" in html
    assert not (out / "curves.svg").exists()


def test_figures_are_svg_with_every_system(inputs: Path, tmp_path: Path) -> None:
    import xml.etree.ElementTree as ET

    out = write(inputs, tmp_path / "reports")
    for name in ("scores.svg", "curves.svg"):
        text = (out / name).read_text()
        assert ET.fromstring(text).tag.endswith("svg")
        assert "ClipSum, fine-tuned" in text
        assert "dc:date" not in text


def test_stage_prints_the_table(inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("params.yaml", inputs / "params.yaml")
    monkeypatch.chdir(inputs)
    stage.main()
    printed = capsys.readouterr().out
    assert plain_text(load(inputs)) in printed
    assert printed.splitlines()[0].split() == ["system", "encoder", "R-1", "R-2", "R-L"]
    assert (inputs / "reports" / "index.html").exists()
