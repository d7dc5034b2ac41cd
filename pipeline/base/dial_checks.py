"""Do the dials of `params.yaml` go with the study that they name?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.base.params import Study


def check_external(names: Sequence[str], study: "Study", *, where: str, file: Path) -> None:
    """Each of `names` is an entry of the study's block `external`, and stands there once; else a `ValueError`."""
    for name in names:
        if name not in study.external:
            known = f"has {', '.join(study.external)}" if study.external else "has none"
            raise ValueError(f"{where}: {name!r} is no entry of `external` in {file}, which {known}; add it there or take it out")
    _check_once(names, where)


def check_chat(names: Sequence[str], study: "Study", *, where: str, file: Path) -> None:
    """The study has a chat model for these rows, each stands there once, and a control has its row; else a `ValueError`."""
    if names and study.chat is None:
        raise ValueError(f"{where}: {names[0]!r} asks a chat model, and {file} names none; give it a block `chat` (docs/chat.md)")
    if "vlm_swapped" in names and "vlm" not in names:
        raise ValueError(f"{where}: 'vlm_swapped' is a control of 'vlm'; add that")
    _check_once(names, where)


def _check_once(names: Sequence[str], where: str) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: {', '.join(sorted({name for name in names if names.count(name) > 1}))} stands there twice")
