"""One item's exception is its reason; the same one item after item ends the stage."""

import pytest

from pipeline.base.items import ALIKE, ItemErrors


def test_an_exception_becomes_a_reason_with_type_and_text() -> None:
    errors = ItemErrors()
    assert errors.reason(ValueError("31 is not a valid Type")) == "ValueError: 31 is not a valid Type"
    assert errors.reason(StopIteration()) == "StopIteration"
    assert errors.reason(ValueError("two\nlines \udcff")) == "ValueError: two lines ?"
    assert len(errors.reason(ValueError("x" * 100_000))) == 500


def test_the_same_exception_item_after_item_is_ours() -> None:
    errors = ItemErrors()
    for _ in range(ALIKE - 1):
        errors.reason(TypeError("'NoneType' object is not callable"))
    with pytest.raises(RuntimeError, match=f"{ALIKE} items one after the other ended with TypeError: 'NoneType'") as caught:
        errors.reason(TypeError("'NoneType' object is not callable"))
    assert isinstance(caught.value.__cause__, TypeError)


def test_another_exception_or_an_item_that_passes_begins_the_count_anew() -> None:
    errors = ItemErrors()
    for _ in range(3):
        for _ in range(ALIKE - 1):
            errors.reason(ValueError("a"))
        errors.passed()
        for _ in range(ALIKE - 1):
            errors.reason(ValueError("b"))


def test_lack_of_memory_is_no_item_s_reason() -> None:
    with pytest.raises(MemoryError):
        ItemErrors().reason(MemoryError())
