"""The tables: figures as stored, the paper's beside them, every system of the paper, the same bytes twice."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.atomic import read_json
from pipeline.metrics import METRICS
from pipeline.report.paper import SYSTEMS as PAPER_SYSTEMS
from pipeline.report.paper import TABLE_1, TABLE_2, paper_figures
from pipeline.report.tables import comma_separated, conventions_markdown, latex, markdown, plain_text
from tests.report_inputs import SYSTEM_ORDER, SYSTEMS, change_lines, change_metrics, load, write

RUN = ["bart", "resnet152", "clipsum", "clipsum_finetuned", "zucchini", "clipsum_swapped"]


def lines_of(text: str) -> dict[str, dict[str, str]]:
    """A Markdown table by its first column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def test_same_inputs_give_the_same_bytes_and_stale_files_go(inputs: Path, tmp_path: Path) -> None:
    first, second = write(inputs, tmp_path / "first"), tmp_path / "second"
    second.mkdir()
    (second / "stale.txt").write_text("left over")
    for row in SYSTEMS:  # the order of lines in a file is no information
        change_lines(inputs, row, lambda lines: lines.reverse())
    write(inputs, second)
    found = sorted(path.name for path in first.iterdir())
    assert found == sorted(path.name for path in second.iterdir())
    assert {"ablations.md", "conventions.md", "curves.svg", "index.html", "table.csv", "table.md", "table.tex"} <= set(found)
    for name in found:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "inputs", "second"]


def test_csv_holds_every_figure_unrounded_and_names_what_is_not_run(inputs: Path) -> None:
    results = load(inputs)
    records = {record["row"]: record for record in csv.DictReader(io.StringIO(comma_separated(results)))}
    for row in results.rows:
        record = records[row.name]
        for name in METRICS:
            score = row.metrics.metrics[name]
            expected = [score.mean, score.std, score.ci95_low, score.ci95_high]
            assert [float(record[f"{name}{part}"]) for part in ("", "_std", "_low", "_high")] == expected
        assert int(record["parameters_total"]) == 1_904_480
        assert (record["seeds"], record["status"]) == ("0 1", "run")
    assert float(records["clipsum"]["latency_ms"]) == 164.2
    assert (records["t5"]["status"], records["t5"]["paper_rouge1"], records["t5"]["rouge1"]) == ("not run", "27.8", "")


def test_every_system_of_the_paper_is_in_every_table(inputs: Path) -> None:
    for table, missing in ((False, ("t5", "ha", "mffg", "vg_bart", "random_visual")), (True, ("t5", "ha", "mffg", "vg_bart"))):
        results = load(inputs, table=table)
        text, small, tex = markdown(results), plain_text(results), latex(results)
        cells = lines_of(text)
        for name in missing:
            assert cells[PAPER_SYSTEMS[name]]["R-1"] == cells[PAPER_SYSTEMS[name]]["METEOR"] == "not run"
            assert cells[PAPER_SYSTEMS[name]]["R-1 paper"] == f"{TABLE_1[name][0]:.1f}"
            assert all(PAPER_SYSTEMS[name] in form for form in (small, tex, conventions_markdown(results)))
        assert "Not run: `make table` runs the rows" in text
        assert len(cells) == len(results.rows) + len(missing)
    titles = [SYSTEMS[name][0] if name in SYSTEMS else PAPER_SYSTEMS[name] for name in SYSTEM_ORDER]
    assert [title for title in cells if title in titles] == titles


def test_files_for_dvc_hold_headline_means_and_every_epoch(inputs: Path, tmp_path: Path) -> None:
    out, results = write(inputs, tmp_path / "reports"), load(inputs)
    scores = read_json(out / "scores.json")
    assert list(scores) == RUN
    for row in results.rows:
        means = {name: row.metrics.metrics[name].mean for name in ("rouge1", "rouge2", "rougeL")}
        assert scores[row.name] == pytest.approx(means, abs=1e-4)
    epochs = list(csv.DictReader((out / "curves.csv").open()))
    assert len(epochs) == 5 * 2 * 5  # rows without the control, seeds, epochs
    last = results.rows[0].metrics.history["1"][-1]
    found = next(line for line in epochs if (line["row"], line["seed"], line["epoch"]) == ("bart", "1", "4"))
    assert float(found["val_rouge2"]) == pytest.approx(last.val_rouge2, abs=1e-4)
    assert (out / "table.txt").read_text() == plain_text(results) + "\n"


def test_markdown_shows_the_figures_of_the_metrics_file(inputs: Path) -> None:
    text = markdown(load(inputs))
    cells = lines_of(text)
    stored = read_json(inputs / "metrics" / "clipsum.json")["metrics"]["rouge2"]
    clipsum = cells["ClipSum"]
    assert clipsum["R-2"] == f"{stored['mean']:.1f} ± {stored['std']:.1f} [{stored['ci95_low']:.1f}, {stored['ci95_high']:.1f}]"
    assert (clipsum["R-1 paper"], clipsum["METEOR paper"], clipsum["n"], clipsum["Split"]) == ("33.0", "22.1", "12", "test")
    costs = [clipsum[name] for name in ("Frames (ms)", "Summary (ms)", "Memory (MB)", "Training (s)")]
    assert costs == ["12", "164 [151, 170]", "41", "52"]
    assert (cells["BART (text only)"]["Encoder"], cells["BART (text only)"]["Frames (ms)"]) == ("–", "–")
    assert cells["BART + ResNet-152"]["Summary (ms)"] == "–", "its cost was not measured"
    assert cells["ClipSum, swapped frames"]["R-1 paper"] == "–"
    assert (cells["ClipSum, fine-tuned"]["R-2 paper"], cells["ClipSum, fine-tuned"]["BLEU-4 paper"]) == ("6.0", "–")
    assert "Mini models on drawn videos: comparable to nothing outside this table." in text
    assert "Study kitchen, test split, n = 12 videos, seeds 0, 1." in text
    assert "All in one process on cpu, 2 threads." in text
    assert "\n- BLEU-4: sacrebleu" in text, "signatures stand below the table"


def test_both_conventions_stand_side_by_side(inputs: Path) -> None:
    cells = lines_of(conventions_markdown(load(inputs)))
    metrics = read_json(inputs / "metrics" / "clipsum.json")["metrics"]
    for column, name in (("R-1", "rouge1"), ("R-1 white space", "rouge1_ws"), ("R-2 stem", "rouge2_stem"), ("BLEU-2", "bleu2")):
        assert cells["ClipSum"][column] == f"{metrics[name]['mean']:.1f}"


def test_caption_of_full_scale_does_not_speak_of_mini_models(inputs: Path) -> None:
    for row in SYSTEMS:
        change_metrics(inputs, row, lambda value: value.update(scale="full"))
    assert "comparable to nothing" not in markdown(load(inputs))


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
    assert paper_figures("vg_bart", encoder="clip_vit_b32") == {}


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
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body if line.endswith(r"\\")} == {20}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_latex_table_compiles_in_a_minimal_article(inputs: Path, tmp_path: Path) -> None:
    change_metrics(inputs, "bart", lambda value: value.update(title="<b> | − ± – % & _ # $ ~ ^ {x}"))
    table = latex(load(inputs, table=True))
    head = "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
    (tmp_path / "article.tex").write_text(f"{head}{table}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "article.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:].decode(errors="replace")
    assert (tmp_path / "article.pdf").stat().st_size > 1000
