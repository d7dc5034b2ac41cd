"""Pages and texts from Jinja templates, all rendered by one environment. Whatever a template is given is escaped in HTML."""

import base64
import hashlib
from pathlib import Path
from typing import Any

ROOMS = Path(__file__).parents[1]


def render(template: str, **values: Any) -> str:
    """The template at `template`, a path below `pipeline/`, with `values`. A name it lacks is an error, never an empty text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(ROOMS),
        autoescape=select_autoescape(["html.jinja", "svg.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def inline_script(path: Path) -> dict[str, str]:
    """A file as `script`, to stand between its tags, and as `script_hash`, by which a page's policy allows it and no other."""
    from markupsafe import Markup

    script = path.read_text(encoding="utf-8")
    return {"script": Markup(script), "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}
