"""Which videos a page shows."""

from pipeline.frames.shown import shown_places

IDS = [f"v{number:03d}" for number in range(100)]


def test_a_choice_by_hash_keeps_the_order_and_those_with_pictures_go_first() -> None:
    chosen = shown_places(IDS, 10)
    assert chosen == sorted(chosen) and len(chosen) == 10 and chosen != list(range(10))
    assert shown_places(IDS, 1000) == list(range(100))
    pictured = {IDS[place] for place in range(8)}
    first = shown_places(IDS, 10, first=pictured)
    assert set(range(8)) <= set(first) and len(first) == 10
