"""`params.yaml` and the kitchen's study, changed, in a folder of a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def write_parameters(folder: Path, change: Callable[[Any], object]) -> None:
    """The committed files, with one worker, and with the study as `change` leaves it."""
    edit(ROOT / "params.yaml", folder / "params.yaml", lambda dials: dials["runtime"].update(workers=1))
    (folder / "studies").mkdir(exist_ok=True)
    edit(ROOT / "studies" / "kitchen.yaml", folder / "studies" / "kitchen.yaml", change)


def edit(source: Path, target: Path, change: Callable[[Any], object]) -> None:
    yaml = YAML()
    content = yaml.load(source)
    change(content)
    yaml.dump(content, target)
