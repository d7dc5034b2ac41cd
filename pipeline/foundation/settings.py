"""The file `foundation/settings.yaml`: everything that decides what the mini models are."""

from pathlib import Path

from pipeline.base.blocks import Block, Count, Positive
from pipeline.base.params import parse_yaml
from pipeline.base.paths import FOUNDATION

SETTINGS = FOUNDATION / "settings.yaml"


class Settings(Block):
    """`epochs` and `batch_size` are those of every image encoder alike."""

    seed: Count
    pictures: Positive
    epochs: Positive
    batch_size: Positive
    recipes: Positive
    text_epochs: Positive
    text_batch_size: Positive
    vocabulary: Positive


def read_settings(path: Path = SETTINGS) -> Settings:
    """Unknown keys and wrong types are a `ValueError` that names them."""
    return parse_yaml(Settings, path)
