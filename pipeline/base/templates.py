"""Pages and texts from Jinja templates, all rendered by one environment. Whatever a template is given is escaped in HTML."""

from pathlib import Path
from typing import Any

ROOMS = Path(__file__).parents[1]


def render(template: str, **values: Any) -> str:
    """The template at `template`, a path below `pipeline/`, with `values`. A name it lacks is an error, never an empty text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(ROOMS),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
