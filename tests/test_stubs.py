"""The generated types of the native module."""

import ast

from rustorch import _C, _stubs


def test_the_committed_file_is_fresh() -> None:
    assert _stubs.main(["--check"]) == 0


def test_a_stale_file_is_noticed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_stubs, "PATH", tmp_path / "_C.pyi")
    assert _stubs.main(["--check"]) == 1
    assert _stubs.main([]) == 0
    assert _stubs.main(["--check"]) == 0


def test_every_public_name_has_a_type() -> None:
    tree = ast.parse(_C._stub())
    named = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            named.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named.add(node.target.id)
        elif isinstance(node, ast.Assign):
            named |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    assert {name for name in dir(_C) if not name.startswith("_")} - named == set()


def test_the_table_agrees_with_its_schemas() -> None:
    assert _C._check_table() == []
