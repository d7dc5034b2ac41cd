"""Reading YouCook2's annotation layout."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.corpus.annotations import Annotation, Malformed, read_annotations
from pipeline.corpus.table import Video, read_corpus, write_corpus

REAL = Path("../shared/data/youcook2")


def entry(**changes: Any) -> dict[str, Any]:
    steps = [{"segment": [4, 9.5], "id": 1, "sentence": "fry it"}, {"segment": [0, 3], "id": 0, "sentence": "cut it"}]
    whole = {"duration": 12.5, "subset": "validation", "recipe_type": "101", "annotations": steps, "video_url": "u"}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def write(folder: Path, **entries: Any) -> Path:
    path = folder / "annotations.json"
    path.write_text(json.dumps({"database": entries}), encoding="utf-8")
    return path


def test_entry_is_read_with_steps_in_order_of_their_ids(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text('101,"beans, baked"\n', encoding="utf-8")
    (read,) = read_annotations(write(tmp_path, abc=entry()), recipes=table)
    assert (read.video_id, read.split, read.recipe, read.duration_seconds) == ("abc", "validation", "beans, baked", 12.5)
    assert read.steps == ("cut it", "fry it")
    assert read.segments == ((0.0, 3.0), (4.0, 9.5))


def test_without_a_table_a_recipe_keeps_its_number(tmp_path: Path) -> None:
    assert read_annotations(write(tmp_path, abc=entry()), recipes=None)[0].recipe == "101"


def test_withheld_annotations_are_accepted_for_the_testing_subset_alone(tmp_path: Path) -> None:
    (read,) = read_annotations(write(tmp_path, abc=entry(subset="testing", annotations=None)), recipes=None)
    assert (read.split, read.steps) == ("test", ())
    (lost,) = read_annotations(write(tmp_path, abc=entry(annotations=None)), recipes=None)
    assert lost == Malformed("abc", "validation", "annotation: database.abc: the key 'annotations' is missing")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"subset": "train"}, r"abc\.subset"),
        ({"duration": "12"}, r"abc\.duration"),
        ({"duration": -1}, r"abc\.duration"),
        ({"recipe_type": 101}, r"abc\.recipe_type"),
        ({"annotations": {}}, r"abc\.annotations"),
        ({"annotations": [{"segment": [3], "id": 0, "sentence": "a"}]}, r"annotations\[0\]\.segment"),
        ({"annotations": [{"segment": [3, 1], "id": 0, "sentence": "a"}]}, r"annotations\[0\]\.segment"),
        ({"annotations": [{"segment": [0, 1], "id": 0, "sentence": " "}]}, r"annotations\[0\]\.sentence"),
        ({"annotations": [{"segment": [0, 1], "sentence": "a"}]}, "'id'"),
        ({"duration": float("nan")}, r"abc\.duration: expected seconds, got nan"),
        ({"duration": float("inf")}, r"abc\.duration: expected seconds, got inf"),
        ({"duration": 10**400}, r"abc\.duration: expected seconds, got 1000+\.\.\.0+$"),
        ({"annotations": [{"segment": [0, 1], "id": 0, "sentence": "a\ud800"}]}, r"\[0\]\.sentence: has half a character"),
        ({"recipe_type": "\udfff"}, r"abc\.recipe_type: has half a character"),
    ],
)
def test_a_malformed_entry_is_a_row_that_names_the_key_and_the_others_are_read(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    lost, fine = read_annotations(write(tmp_path, abc=entry(**changes), fine=entry()), recipes=None)
    assert isinstance(lost, Malformed) and isinstance(fine, Annotation)
    assert re.search(key, lost.reason)


def test_what_is_said_of_a_malformed_entry_can_be_written(tmp_path: Path) -> None:
    odd = json.loads('"\\ud800"')
    (lost,) = read_annotations(write(tmp_path, **{odd: entry(subset=odd)}), recipes=None)
    assert isinstance(lost, Malformed)
    write_corpus([Video(lost.video_id, lost.split, "", status="failed", reason=lost.reason)], tmp_path / "corpus.parquet")
    assert read_corpus(tmp_path / "corpus.parquet")["video_id"].tolist() == ["\\ud800"]


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_bytes(b"\xef\xbb\xbf101,soup\n")
    path = write(tmp_path, abc=entry())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (read,) = read_annotations(path, recipes=table)
    assert isinstance(read, Annotation) and read.recipe == "soup"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"database": {"abc": {}, "abc": {}}}', r"annotations\.json: .*the key 'abc' is given twice"),
        (b'{"database": {"abc": ' + b"[" * 100_000, r"annotations\.json: .*nested too deeply"),
        (b'{"database": {"abc": {"duration": ' + b"9" * 5000 + b"}}}", r"annotations\.json: .*thousands of digits"),
        (b'{"database":\n{"caf\xe9": {}}}', r"annotations\.json, line 2: not UTF-8"),
    ],
)
def test_a_broken_file_is_named_and_nobody_is_told_to_delete_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(path, recipes=None)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"101,soup\n\n101,pie\n", r"names\.csv, line 3: the number 101 is given twice"),
        (b"101,soup\n102\n", r"names\.csv, line 2: expected a number and a name"),
        (b"101,caf\xe9\n", r"names\.csv, line 1: not UTF-8"),
        (b'101,soup\n102,"pie\n', r"names\.csv, line 2: not valid CSV"),
    ],
)
def test_slips_in_the_names_of_recipes(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "names.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_annotations(write(tmp_path, abc=entry()), recipes=tmp_path / "names.csv")


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"database": []}'])
def test_other_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"other\.json"):
        read_annotations(path, recipes=None)


def test_recipe_type_missing_from_the_table_is_a_reason(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("7,soup\n", encoding="utf-8")
    (lost,) = read_annotations(write(tmp_path, abc=entry()), recipes=table)
    assert isinstance(lost, Malformed) and "abc.recipe_type: '101'" in lost.reason


def test_id_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    for video_id in ("../abc", "a/b", "-../x", "--"):
        (lost,) = read_annotations(write(tmp_path, **{video_id: entry()}), recipes=None)
        assert isinstance(lost, Malformed) and "is refused" in lost.reason


@pytest.mark.skipif(not REAL.exists(), reason="YouCook2's own annotation file is not at hand")
def test_the_published_file_is_read_whole() -> None:
    read = read_annotations(REAL / "youcookii_annotations_trainval.json", recipes=REAL / "label_foodtype.csv")
    assert Counter(annotation.split for annotation in read) == {"train": 1333, "validation": 457}
    assert all(isinstance(annotation, Annotation) and annotation.steps and annotation.recipe for annotation in read)
