"""Random videos give, bit by bit, what decoding every frame gives, whatever is wrong with them."""

from pathlib import Path

from tests.frames.random_videos import compare_many


def test_two_hundred_random_videos_are_sampled_as_decoding_all_of_them_gives(tmp_path: Path) -> None:
    figures = compare_many(tmp_path, videos=200, first_seed=0)
    assert figures.different == []
    assert figures.short_cut >= 40, "enough of them are about the short cut"
    assert figures.damaged >= 20 and figures.interlaced >= 5 and figures.untimed >= 10 and figures.lost >= 1, "and about the rest"
