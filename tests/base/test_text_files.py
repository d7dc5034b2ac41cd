"""Text, CSV and JSON of others: each fault is told with file and line, and nothing is lost for its size."""

import csv
import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.files import read_json, read_json_lines
from pipeline.base.text_files import LONGEST_LINE, csv_rows, parse_json, read_text, text_lines

MARK = b"\xef\xbb\xbf"
DEEP = "[" * 100_000 + "]" * 100_000


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "given.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_as_json(path: Path) -> Any:
    return parse_json(read_text(path), where=str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": 1, "b": {"c": 2, "d": 3, "c": 4}}', r"given\.txt, line 2: .*the key 'c' is given twice"),
        ('{}\n{"a": "\\ud800"}', r"given\.txt, line 2: half a character"),
        ('{}\n{"\\uDFFF": 1}', r"given\.txt, line 2: half a character"),
        (f'{{}}\n{{"a": {DEEP}}}', r"given\.txt, line 2: .*nested too deeply"),
        (f'{{}}\n{{"a": {"9" * 5000}}}', r"given\.txt, line 2: .*thousands of digits"),
        (b'{}\n{"a": "caf\xe9"}', r"given\.txt, line 2: not UTF-8"),
        ("{}\n[]", r"given\.txt, line 2: expected an object, found list"),
        ("{}\n{", r"given\.txt, line 2: not valid JSON"),
        (b"\xff\xfe{\x00}\x00", r"given\.txt, line 1: not UTF-8"),
    ],
)
def test_a_fault_in_json_lines_names_its_line(tmp_path: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_json_lines(write(tmp_path, content)))


@pytest.mark.parametrize("read", [read_json, read_as_json])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        (DEEP, "nested too deeply"),
        ("9" * 5000, "thousands of digits"),
        (b'{\n"a": "caf\xe9"}', r", line 2: not UTF-8"),
        ("{\n", "line 2 column 1"),
    ],
)
def test_a_fault_in_a_json_file_names_it(tmp_path: Path, read: Callable[[Path], Any], content: bytes | str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=rf"given\.txt.*{message}") as caught:
        read(path)
    assert ("delete the file and run its stage again" in str(caught.value)) == (read is read_json)


def test_a_byte_order_mark_is_no_part_of_what_is_read(tmp_path: Path) -> None:
    assert read_json(write(tmp_path, MARK + b'{"a": 1}')) == {"a": 1}
    assert list(read_json_lines(write(tmp_path, MARK + b'{"a": 1}\n'))) == [(1, {"a": 1})]
    assert list(csv_rows(write(tmp_path, MARK + b"a,b\n"))) == [(1, ["a", "b"])]
    assert list(text_lines(write(tmp_path, MARK + b"a\nb"))) == [(1, "a\n"), (2, "b")]


def test_whole_characters_may_be_escaped_in_two_halves(tmp_path: Path) -> None:
    assert list(read_json_lines(write(tmp_path, json.dumps({"a": "😀"})))) == [(1, {"a": "😀"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,b\n"x"y,z\n', r"given\.txt, line 2: not valid CSV"),
        ('a,b\n"one\ntwo",c\n\n"x\ny"z,\n', r"given\.txt, line 5: not valid CSV"),
        ('a,b\nc,d\ne,"f\ng\nh\n', r"given\.txt, line 3: not valid CSV"),
        (b"a,b\nc,caf\xe9\n", r"given\.txt, line 2: not UTF-8"),
    ],
)
def test_a_fault_in_csv_names_the_line_where_its_row_begins(tmp_path: Path, content: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(csv_rows(write(tmp_path, content)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_come_with_the_line_where_they_begin(tmp_path: Path, end: str) -> None:
    rows = list(csv_rows(write(tmp_path, end.join(["a,b", "", '"c', 'd",e', "f", ""]))))
    assert rows == [(1, ["a", "b"]), (3, [f"c{end}d", "e"]), (5, ["f"])]


def test_a_long_field_is_read_and_the_limit_of_other_readers_is_left_alone(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    rows = csv_rows(write(tmp_path, f"a,{'word ' * 100_000}\nb,c\n"))
    assert len(next(rows)[1][1]) == 500_000
    assert csv.field_size_limit() == before
    assert next(rows) == (2, ["b", "c"])


@pytest.mark.parametrize("read", [text_lines, csv_rows, read_json_lines])
def test_a_file_without_line_breaks_is_refused_before_it_fills_the_memory(
    tmp_path: Path, read: Callable[[Path], Iterable[object]]
) -> None:
    path = write(tmp_path, "a,b\n" if read is not read_json_lines else "{}\n")
    with path.open("r+b") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(ValueError, match=r"given\.txt, line 2: longer than 64 MB"):
        list(read(path))


def test_a_quote_that_nobody_closes_is_found_before_it_fills_the_memory(tmp_path: Path) -> None:
    with (path := write(tmp_path, 'a,b\nc,"')).open("a") as stream:
        for _ in range(LONGEST_LINE // (1 << 20) + 1):
            stream.write("word \n" * (1 << 18))
    with pytest.raises(ValueError, match=r"given\.txt, line 2: not valid CSV.*field larger than field limit"):
        list(csv_rows(path))


@pytest.mark.parametrize("read", [csv_rows, read_json_lines])
def test_a_table_of_any_length_takes_the_memory_of_a_row(tmp_path: Path, read: Callable[[Path], Iterable[object]]) -> None:
    path = write(tmp_path, '{"a": "' + "word " * 200 + '"}\n')
    path.write_bytes(path.read_bytes() * 10_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(path)) == 10_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
