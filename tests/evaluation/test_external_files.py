"""Files of others' summaries: both forms are read, and whatever does not fit names its file, lines and ids."""

import json
from pathlib import Path

import pytest

from pipeline.evaluation.external_files import (
    Texts,
    check_same_references,
    read_order,
    read_outputs,
    read_references,
)

KNOWN = {"a": "cut the onion", "b": "fry the leek", "c": "serve it"}


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def lines(path: Path, *rows: object) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def row(video: str, text: str = "said", **more: object) -> dict[str, object]:
    return {"video_id": video, "prediction": text, **more}


def test_json_lines_are_aligned_by_id_and_seed_in_any_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", *(row(video, f"{video}{seed}", seed=seed) for seed in (7, 3) for video in "cab"))
    found = read_outputs(path, references=KNOWN).summaries
    assert found.seeds == (3, 7) and found.videos == ("a", "b", "c")
    assert found.predictions == (("a3", "b3", "c3"), ("a7", "b7", "c7"))
    assert found.references == tuple(KNOWN.values())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_has_ids_before_tabs_or_a_list_of_them_beside_it(tmp_path: Path, end: str) -> None:
    tabs = write(tmp_path / "tabs.txt", f"b\tB said{end}a\tA\tsaid{end}c\tC{end}")
    assert read_outputs(tabs, references=KNOWN).summaries.predictions == (("A\tsaid", "B said", "C"),)
    order = write(tmp_path / "ids", f"c{end}a{end}b{end}{end}")
    plain = write(tmp_path / "plain.txt", f"C{end}A\tsaid{end}B said{end}")
    assert read_outputs(plain, references=KNOWN, order=order).summaries.predictions == (("A\tsaid", "B said", "C"),)


def test_an_empty_summary_is_kept_and_counted(tmp_path: Path) -> None:
    references = read_references(write(tmp_path / "refs.txt", "one\ntwo\nthree\n"))
    found = read_outputs(write(tmp_path / "said.txt", "one\n\n \n"), references=references)
    assert found.empty == 2 and found.summaries.predictions == (("one", "", " "),)


def test_references_beside_the_summaries_do_without_a_file_of_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", row("a", reference="A"), row("b", reference="B"))
    assert read_outputs(path).summaries.references == ("A", "B")
    with pytest.raises(ValueError, match=r"x\.jsonl, line 1: no reference; add a `reference`"):
        read_outputs(lines(tmp_path / "x.jsonl", row("a")))
    with pytest.raises(ValueError, match=r"line 1: the reference of video 'a' is another than the one it is scored by"):
        read_outputs(lines(tmp_path / "x.jsonl", *(row(video, reference="A") for video in "abc")), references=KNOWN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tA\nb\tB\n", r"x\.txt: no summary of 'c'; add a line for each, empty if"),
        ("a\tA\nb\tB\nc\tC\na\tA\n", r"ids that are there twice: 'a' \(lines 1 and 4\); keep one"),
        ("a\tA\nb\tB\nc\tC\nd\tD\ne\tE\n", r"unknown videos: 'd' \(line 4\), 'e' \(line 5\); no reference has"),
        ("a\tA\nb B\nc\tC\n", r"x\.txt, line 2: no tab, though other lines have one \(1 of 3 have none\)"),
        ("a\tA\n\tB\nc\tC\n", r"line 2: no id before the tab"),
        ("A\nB\nC\n", r"x\.txt: no ids; give them in the file \(id, tab, text\), or a list"),
        ("", r"x\.txt: empty; expected a line for every video"),
    ],
)
def test_text_that_does_not_fit_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_outputs(write(tmp_path / "x.txt", content), references=KNOWN)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"video_id": "a"}], r"x\.jsonl, line 1: prediction is missing"),
        ([row("")], r"line 1: video_id is ''; expected a text"),
        ([row("a", 3)], r"line 1: prediction is 3; expected a text"),  # type: ignore[arg-type]
        ([row("a", seed=True)], r"line 1: seed is True; expected a whole number"),
        ([row("a", seed=-1)], r"line 1: seed is -1"),
        ([row(v, seed=s) for v in "abc" for s in (0, 1)][:-1], r"no summary for seed 1 of 'c'"),
        ([row("a"), row("a")], r"ids that are there twice: 'a' \(lines 1 and 2\)"),
        ([[1]], r"x\.jsonl, line 1: expected an object"),
        ([], r"x\.jsonl: empty"),
    ],
)
def test_json_lines_that_do_not_fit_are_refused(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_outputs(lines(tmp_path / "x.jsonl", *rows), references=KNOWN)


def test_many_wrong_ids_are_not_all_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "".join(f"v{number}\ttext\n" for number in range(9)))
    with pytest.raises(ValueError, match=r"'v4' \(line 5\) and 4 more; no reference"):
        read_outputs(path, references=KNOWN)


def test_other_numbers_of_lines_and_lists_that_do_not_fit(tmp_path: Path) -> None:
    references = read_references(write(tmp_path / "refs.txt", "one\ntwo\n"))
    three = write(tmp_path / "three.txt", "1\n2\n3\n")
    with pytest.raises(ValueError, match=r"three\.txt: 3 lines, but .*refs\.txt has 2; without ids, line belongs to line"):
        read_outputs(three, references=references)
    with pytest.raises(ValueError, match=r"three\.txt: 3 lines, but .*ids has 2 ids"):
        read_outputs(three, references=KNOWN, order=write(tmp_path / "ids", "a\nb\n"))
    with pytest.raises(ValueError, match=r"ids: ids that are there twice: 'a' \(lines 1 and 3\)"):
        read_order(write(tmp_path / "ids", "a\nb\na\n"))
    with pytest.raises(ValueError, match=r"ids, line 2: no id"):
        read_order(write(tmp_path / "ids", "a\n\nb\n"))
    with pytest.raises(ValueError, match=r"three\.txt: no ids, which .*tabs\.txt has; give a list of ids"):
        read_outputs(three, references=read_references(write(tmp_path / "tabs.txt", "a\tone\n")))
    with pytest.raises(ValueError, match=r"x\.jsonl: it has ids of its own"):
        read_outputs(lines(tmp_path / "x.jsonl", row("a")), references=KNOWN, order=tmp_path / "ids")


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.txt: no such file"):
        read_outputs(tmp_path / "gone.txt", references=KNOWN)
    (tmp_path / "latin.txt").write_bytes(b"a\tfine\nb\tcaf\xe9\n")
    with pytest.raises(ValueError, match=r"latin\.txt, line 2: not UTF-8 .*save it as UTF-8"):
        read_outputs(tmp_path / "latin.txt", references=KNOWN)
    with pytest.raises(ValueError, match=r"refs\.txt, line 2: an empty reference \(1 such lines\)"):
        read_references(write(tmp_path / "refs.txt", "one\n\n"))


def test_references_of_a_file_must_be_those_of_the_study(tmp_path: Path) -> None:
    def given(*texts: str) -> Texts:
        content = "".join(f"{video}\t{text}\n" for video, text in zip(KNOWN, texts, strict=True))
        return read_references(write(tmp_path / "refs.txt", content))

    check_same_references(given(*KNOWN.values()), KNOWN, whose="the study")
    with pytest.raises(ValueError, match=r"refs\.txt, line 2: the reference of video 'b' is not that of the study \(1 such"):
        check_same_references(given("cut the onion", "boil the leek", "serve it"), KNOWN, whose="the study")
