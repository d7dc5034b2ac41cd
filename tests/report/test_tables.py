"""The tables: figures as stored, the paper's beside them, every system of the paper, the same bytes twice."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base.files import read_json
from pipeline.report.calibration import Calibration, calibrate
from pipeline.report.evidence import gather_evidence
from pipeline.report.paper import SYSTEMS as PAPER_SYSTEMS
from pipeline.report.paper import TABLE_1, TABLE_2, paper_figures
from pipeline.report.results import Results
from pipeline.report.tables import comma_separated, conventions_markdown, latex, markdown, plain_text, summary_markdown
from pipeline.report.write import write_report
from pipeline.scoring.metrics import METRICS
from tests.report_inputs import CHOSEN, SYSTEM_ORDER, SYSTEMS, add_ablation, add_more_rows, change_metrics, load, write

RUN = ["bart", "resnet152", "clipsum", "clipsum_finetuned", "zucchini", "clipsum_swapped"]


def calibration(results: Results, resamples: int = 50) -> Calibration:
    return calibrate(results, gather_evidence(results, resamples=resamples), resamples=resamples)


def summary(results: Results) -> str:
    return summary_markdown(results, calibration(results))


def lines_of(text: str) -> dict[str, dict[str, str]]:
    """A Markdown table by its first column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_same_inputs_give_the_same_bytes_and_stale_figures_go(inputs: Path, tmp_path: Path) -> None:
    first, second = write(inputs, tmp_path / "first"), tmp_path / "second"
    (second / "figures").mkdir(parents=True)
    (second / "figures" / "stale.svg").write_text("left over")
    (second / "costs.csv").write_text("another stage's")
    written = write_report(second, resamples=200, chosen=CHOSEN, page_videos=1000, root=inputs)
    found = files_in(first)
    assert {"ablations.md", "conventions.md", "figures/curves.svg", "index.html", "summary.md", "table.csv", "table.tex"} <= set(
        found
    )
    assert files_in(second) == sorted([*found, "costs.csv"])
    assert sorted([*(path.relative_to(second).as_posix() for path in written), "files.json"]) == found
    for name in found:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_figures_and_costs_that_there_are_no_more_are_removed(inputs: Path, tmp_path: Path) -> None:
    add_ablation(inputs, "fusion-layer-3", {"model.fusion_layer": 3})
    out = write(inputs, tmp_path / "reports")
    assert {"costs.md", "figures/ablations.svg", "figures/curves.svg"} <= set(files_in(out))
    (inputs / "reports" / "costs.csv").unlink()
    for kind in ("metrics", "predictions"):
        shutil.rmtree(inputs / kind / "ablations")
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(training=None))
    assert not {"costs.md", "figures/ablations.svg", "figures/curves.svg"} & set(files_in(write(inputs, out)))


def test_csv_holds_every_figure_unrounded_and_names_what_is_not_run(inputs: Path) -> None:
    results = load(inputs)
    records = {record["row"]: record for record in csv.DictReader(io.StringIO(comma_separated(results)))}
    for row in results.rows:
        record = records[row.name]
        for metric in METRICS:
            score = row.record.metrics[metric.key]
            expected = [score.mean, score.std, score.ci95_low, score.ci95_high]
            assert [float(record[f"{metric.key}{part}"]) for part in ("", "_std", "_low", "_high")] == expected
        assert int(record["parameters_total"]) == 1_904_480
        assert (record["seeds"], record["status"]) == ("0 1", "run")
    assert [records[row]["feature_width"] for row in ("bart", "clipsum")] == ["", "128"]
    contract = ["row", "title", "kind", "encoder", "feature_width", "n", "split", "seeds", "entity_f1", "entity_f1_std"]
    assert list(records["clipsum"])[:10] == contract
    assert list(records["clipsum"])[-3:] == ["parameters_total", "parameters_trainable", "status"]
    assert (records["t5"]["status"], records["t5"]["paper_rouge1"], records["t5"]["rouge1"]) == ("not run", "27.8", "")


def test_every_system_of_the_paper_is_in_every_table(inputs: Path) -> None:
    for missing in (("t5", "ha", "mffg", "vg_bart", "random_visual"), ("t5", "ha", "mffg", "vg_bart")):
        if "random_visual" not in missing:
            add_more_rows(inputs)
        results = load(inputs)
        text, small, tex = markdown(results), plain_text(results, calibration(results)), latex(results)
        cells = lines_of(text)
        for name in missing:
            assert cells[PAPER_SYSTEMS[name]]["R-1"] == cells[PAPER_SYSTEMS[name]]["METEOR"] == "not run"
            assert cells[PAPER_SYSTEMS[name]]["R-1 paper"] == f"{TABLE_1[name][0]:.1f}"
            forms = (small, tex, conventions_markdown(results), summary(results))
            assert all(PAPER_SYSTEMS[name] in form for form in forms)
        listed = "; ".join(PAPER_SYSTEMS[name] for name in ("t5", "ha", "mffg", "vg_bart"))
        assert f"Not run: {listed}" in text
        assert "The command dvc repro makes the missing rows." in text
        assert len(cells) == len(results.rows) + len(missing)
    titles = [SYSTEMS[name][0] if name in SYSTEMS else PAPER_SYSTEMS[name] for name in SYSTEM_ORDER]
    assert [title for title in cells if title in titles] == titles


def test_the_summary_is_narrow(inputs: Path) -> None:
    cells = lines_of(summary(load(inputs)))
    assert list(cells["ClipSum"]) == ["System", "Encoder", "R-1", "Another video's frames", "Entity F1", "R-1 of the paper"]
    stored = read_json(inputs / "metrics" / "clipsum.json")["metrics"]["rouge1"]
    unbroken = f"[{stored['ci95_low']:.1f},\u00a0{stored['ci95_high']:.1f}]"
    assert cells["ClipSum"]["R-1"] == f"{stored['mean']:.1f} {unbroken}"
    assert (cells["ClipSum"]["R-1 of the paper"], cells["VG-BART"]["R-1"]) == ("33.0", "not run")
    assert all(sum(len(cell) + 1 for cell in row.values()) <= 100 for row in cells.values())
    swapped = read_json(inputs / "metrics" / "clipsum_swapped.json")["metrics"]["rouge1"]
    assert cells["ClipSum"]["Another video's frames"].startswith(f"{swapped['mean']:.1f} [")
    assert cells["BART (text only)"]["Another video's frames"] == "–"
    assert {"ClipSum, frames of another video", "Zucchini"}.isdisjoint(cells), "controls and floors are in the whole table"


def test_files_for_dvc_hold_headline_means_and_every_epoch(inputs: Path, tmp_path: Path) -> None:
    out, results = write(inputs, tmp_path / "reports"), load(inputs)
    scores = read_json(out / "scores.json")
    assert list(scores) == [name for name in RUN if name != "clipsum_swapped"], "controls have columns of no experiment"
    for row in results.trained:
        means = {name: row.record.metrics[name].mean for name in ("rouge1", "entity_f1", "rouge2", "rougeL")}
        assert scores[row.name] == pytest.approx(means, abs=1e-4)
    epochs = list(csv.DictReader((out / "curves.csv").open()))
    assert len(epochs) == 5 * 2 * 5  # rows without the control, seeds, epochs
    training = results.rows[0].record.training
    assert training is not None
    last = training.history["1"][-1]
    found = next(line for line in epochs if (line["row"], line["seed"], line["epoch"]) == ("bart", "1", "4"))
    assert float(found["val_score"]) == pytest.approx(last.val_score, abs=1e-4)
    assert (out / "table.txt").read_text() == plain_text(results, calibration(results, 200))


def test_markdown_shows_the_figures_of_the_metrics_file(inputs: Path) -> None:
    text = markdown(load(inputs))
    cells = lines_of(text)
    stored = read_json(inputs / "metrics" / "clipsum.json")["metrics"]["rouge2"]
    clipsum = cells["ClipSum"]
    assert clipsum["R-2"] == f"{stored['mean']:.1f} ± {stored['std']:.1f} [{stored['ci95_low']:.1f}, {stored['ci95_high']:.1f}]"
    assert (clipsum["R-1 paper"], clipsum["METEOR paper"], clipsum["n"], clipsum["Split"]) == ("33.0", "22.1", "12", "test")
    assert (clipsum["Parameters (M)"], clipsum["Trained (M)"]) == ("1.90", "1.20")
    assert (cells["BART (text only)"]["Encoder"], cells["BART (text only)"]["Width"]) == ("–", "–")
    assert cells["ClipSum, frames of another video"]["R-1 paper"] == "–"
    assert (cells["ClipSum, fine-tuned"]["R-2 paper"], cells["ClipSum, fine-tuned"]["BLEU-4 paper"]) == ("6.0", "–")
    assert "mini models on drawn videos: their scores compare with nothing outside this table." in text
    assert "Study kitchen, test split, n = 12 videos, seeds 0, 1." in text
    assert "\n- BLEU-4: sacrebleu" in text, "signatures stand below the table"


def test_both_conventions_stand_side_by_side(inputs: Path) -> None:
    cells = lines_of(conventions_markdown(load(inputs)))
    metrics = read_json(inputs / "metrics" / "clipsum.json")["metrics"]
    for column, name in (("R-1", "rouge1"), ("R-1 white space", "rouge1_ws"), ("R-2 stem", "rouge2_stem"), ("BLEU-2", "bleu2")):
        assert cells["ClipSum"][column] == f"{metrics[name]['mean']:.1f}"


def test_caption_of_full_scale_does_not_speak_of_mini_models(inputs: Path) -> None:
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(scale="full"))
    assert "mini models" not in markdown(load(inputs))


def test_mini_models_on_a_users_videos_are_not_said_to_see_drawn_videos(inputs: Path) -> None:
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(study="my_videos"))
    (inputs / "metrics" / "corpus.json").unlink()
    text = markdown(load(inputs))
    assert "mini models pretrained on drawn pictures: their scores compare with nothing outside this table." in text
    assert "drawn videos" not in text


def test_the_papers_figure_stands_only_beside_the_papers_row() -> None:
    assert paper_figures("clipsum", encoder="clip_vit_b32")["rouge1"] == 33.0
    assert paper_figures("clipsum", encoder="resnet152") == {}
    assert paper_figures("clipsum_finetuned", encoder="vit_b32") == {}
    assert paper_figures("clipsum_swapped", encoder="clip_vit_b32") == {}
    assert paper_figures("bart", encoder=None)["meteor"] == 18.5
    assert paper_figures("bart", encoder=None)["bleu4_nlgeval"] == paper_figures("bart", encoder=None)["bleu4"] == 8.2
    assert "bleu4_nlgeval" not in paper_figures("clipsum_finetuned", encoder="clip_vit_b32"), "the paper has none"
    assert paper_figures("vg_bart", encoder="clip_vit_b32") == {}


def test_the_papers_tables_agree_where_they_overlap() -> None:
    for ablation, setting in (("fusion layer", "5"), ("CLIP", "frozen"), ("frames", "50")):
        assert TABLE_2[ablation][setting] == TABLE_1["clipsum"][:3]


def test_latex_escapes_and_balances(inputs: Path) -> None:
    change_metrics(inputs, "bart", lambda value: value.update(title=r"50% of R&D_1 #2 {x} $y ~z^ a\b"))
    text = latex(load(inputs))
    assert r"50\% of R\&D\_1 \#2 \{x\} \$y \textasciitilde z\textasciicircum \space a\textbackslash b" in text
    assert r"clip\_vit\_b32" in text
    assert r"\label{tab:kitchen}" in text
    assert r"\caption{Study kitchen, test split" in text
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.count(r"\begin{") == text.count(r"\end{")
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body if line.endswith(r"\\")} == {17}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_latex_table_compiles_in_a_minimal_article(inputs: Path, tmp_path: Path) -> None:
    change_metrics(inputs, "bart", lambda value: value.update(title="<b> | − ± – % & _ # $ ~ ^ {x}"))
    add_more_rows(inputs)
    table = latex(load(inputs))
    head = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
    (tmp_path / "article.tex").write_text(f"{head}{table}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "article.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    assert (tmp_path / "article.pdf").stat().st_size > 1000
