"""Work with a limit on its time: what it gives, what it raises, and when it is given up."""

import time

import pytest

from pipeline.base.bounded import bounded


def test_what_the_work_gives_or_raises_comes_out() -> None:
    assert bounded(lambda: None, 10.0) is None
    assert bounded(lambda: 3, 10.0) == 3
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, 10.0)
    with pytest.raises(SystemExit):
        bounded(lambda: exit(3), 10.0)


@pytest.mark.parametrize("seconds", [0.2, 0.0, -1.0])
def test_work_that_takes_longer_is_given_up(seconds: float) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="it has not answered in 0 seconds"):
        bounded(lambda: time.sleep(2.0), seconds)
    assert time.monotonic() - start < 1.5
