"""Values written back into a study's file, whose comments and order stay as they are."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from pipeline.base.files import write_text


def write_rows(path: Path, rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Replace what `rows` of the study's file says of these rows: by row, block and key. Other rows keep what they have."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # no line is broken that was not
    # The representers are those of a class: one of our own changes no other reader's.
    yaml.Representer = type("Representer", (RoundTripRepresenter,), {})
    yaml.representer.add_representer(type(None), _null)
    content = yaml.load(path.read_text(encoding="utf-8"))
    for row, blocks in rows.items():
        content["rows"][row] = _in_one_line({block: dict(values) for block, values in blocks.items()})
    stream = StringIO()
    yaml.dump(content, stream)
    write_text(path, stream.getvalue())


def _null(representer: RoundTripRepresenter, value: None) -> Any:
    """`null` as these files have it, where the library would leave nothing."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _in_one_line(values: dict[str, Any]) -> Any:
    """`{train: {lr_new: 0.002}}`, as these files have it."""
    from ruamel.yaml.comments import CommentedMap

    flow = CommentedMap({key: _in_one_line(value) if isinstance(value, dict) else value for key, value in values.items()})
    flow.fa.set_flow_style()
    return flow
