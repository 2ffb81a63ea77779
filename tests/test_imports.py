"""Who may import whom: what the dashboard's shell imports loads no torch, and no files import each other."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import optlab

TORCH_FREE = [
    "optlab", "optlab.recipes", "optlab.methods", "optlab.protocol", "optlab.models", "optlab.models.catalog",
    "optlab.models.describe", "optlab.texts.names", "optlab.store.store", "optlab.client.client",
    "optlab.client.predictions", "optlab.prediction.predictor", "optlab.prediction.frontier",
    "optlab.prediction.ledger", "optlab.workers.supervisor", "optlab.figures", "optlab.cli.main",
    "optlab.client.targets",
]  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", TORCH_FREE)
def test_importing_what_pages_import_does_not_load_torch(name: str) -> None:
    modules = loaded_after(f"import {name}")
    assert "optlab" in modules
    assert not modules & {"torch", "transformers"}


def test_help_of_the_command_line_waits_for_no_database() -> None:
    assert not loaded_after("import optlab.cli.main") & {"sqlalchemy", "pydantic", "pandas", "numpy"}


def test_drawing_every_knob_does_not_load_torch() -> None:
    modules = loaded_after(
        "from optlab.methods import REGISTRY, method\n"
        "for kind in REGISTRY:\n"
        "    for name in REGISTRY[kind]:\n"
        "        found = method(kind, name)\n"
        "        found.describe(found.check({}))\n"
        "        assert found.parameters and found.title and found.summary and found.source\n"
    )
    assert "torch" not in modules


def imported_files(tree: ast.AST) -> Iterator[str]:
    """What a file imports, also inside functions, but not for type checkers only; full names of modules or members."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imported_files(other)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            for name in node.names:
                yield from (f"{node.module}.{name.name}", str(node.module))
        else:
            yield from imported_files(node)


def import_graph(package: Path) -> dict[str, set[str]]:
    """Module -> modules of `package` that it imports. A member that is a module itself stands for that module only."""
    files = {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in package.rglob("*.py")
    }
    graph = {}
    for name, file in files.items():
        found = [one for one in imported_files(ast.parse(file.read_text(encoding="utf-8"))) if one in files]
        packages = {parent for one in found if (parent := one.rpartition(".")[0]) in found}
        graph[name] = set(found) - packages - {name}
    return graph


def test_no_files_import_each_other_not_even_inside_functions() -> None:
    graph = import_graph(Path(optlab.__file__).parent)
    assert len(graph) > 100
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these files import each other in a circle: {' -> '.join(error.args[1])}")


def test_a_circle_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "some"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from some.b import B\n")
    (package / "b.py").write_text("def later():\n    from some import a\n")
    assert import_graph(package) == {"some": set(), "some.a": set(), "some.b": {"some.a"}}
    (package / "a.py").write_text("from some.b import B\n")
    with pytest.raises(CycleError):
        TopologicalSorter(import_graph(package)).prepare()
