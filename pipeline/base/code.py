"""Which code decides a result, read from the code itself.

DVC re-runs a stage when anything in its folders changes. Scratch is more exact: its keys hold a digest of the modules that a
piece of work imports, directly or not, and of nothing else. So an edit elsewhere re-runs a stage and is answered from scratch.
Comments, docstrings and layout do not count, and neither do imports for type checking alone.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# They move, resume, check or show data and never decide it. Parameters enter keys by their values.
_NEUTRAL = (
    "blocks",
    "chat_params",
    "checkpoint",
    "code",
    "dataset_params",
    "dial_checks",
    "disk",
    "encoder_names",
    "engines.engine",
    "engines.local",
    "engines.ray",
    "engines.slurm",
    "failures",
    "files",
    "hub",
    "leases",
    "owners",
    "params",
    "paths",
    "pins",
    "released_params",
    "resumable",
    "row_names",
    "scratch",
    "shared_disk",
    "sharing",
    "slips",
    "text_files",
    "tracking",
    "tracking_dataset",
    "tracking_models",
    "tracking_server",
    "tracking_store",
    "tracking_traces",
    "tracking_view",
    "tracking_words",
)
NEUTRAL = frozenset(f"pipeline.base.{name}" for name in _NEUTRAL)


def code_digest(*modules: str) -> str:
    """Sixteen hexadecimal digits that change with the code of `modules` (dotted names) and of all that they import."""
    parts = [f"{name}:{_digest(_path(name))}" for name in sorted(import_closure(*modules) - NEUTRAL)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def import_closure(*modules: str) -> set[str]:
    """`modules` and every module of this project that they import, wherever in a file. Neutral ones are not looked into."""
    todo, seen = list(modules), set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            if name not in NEUTRAL:
                todo += imported(name)
    return seen


@cache
def imported(module: str) -> tuple[str, ...]:
    """Modules of this project that `module` imports itself."""
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    names = {name for name in _imported_names(tree) if name.split(".")[0] in ("pipeline", "stages")}
    return tuple(sorted(name for name in names if _is_module(name)))


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            yield from (child.module, *(f"{child.module}.{alias.name}" for alias in child.names))
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        yield from _imported_names(child)


@cache
def _digest(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _is_module(name: str) -> bool:
    return (ROOT / (name.replace(".", "/") + ".py")).exists()


def _path(module: str) -> Path:
    path = ROOT / (module.replace(".", "/") + ".py")
    if not path.exists():
        raise ImportError(f"no module {module}: {path} does not exist")
    return path
