"""Python, by its syntax tree.

Score = 100 - 5 for each function of complexity above 10 - 3 for each longer than 50 lines - 3 for each nested deeper
than 4 - 4 for each bare except or mutable default - 1 for each unused import - 10 (1 - share of functions and classes
with a docstring), at least 0. The module's own statements count as a function when nesting is looked at.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from orfeas.domain.code.report import Report, suggestion

COMPLEXITY, FUNCTION_LINES, NESTING = 10, 50, 4
Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NEW_SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
MUTABLE_CALLS = {"list", "dict", "set"}
TOO_DEEP = "The code is nested too deeply to be read."


@dataclass(frozen=True, slots=True)
class _Measured:
    """A function."""

    name: str
    line: int
    lines: int
    complexity: int
    nesting: int


def measure_python(code: str) -> Report:
    """Everything that the tree says; a syntax error has the score 0."""
    lines = _lines(code)
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return _unreadable(lines, error.lineno or 1, error.offset or 1, error.msg)
    except (RecursionError, MemoryError):
        return _unreadable(lines, 1, 1, TOO_DEEP)
    functions = [_measured(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    flaws = [*_unused_imports(tree), *_bare_excepts(tree), *_mutable_defaults(tree)]
    metrics = {**lines, **_metrics(tree, functions, flaws)}
    return Report(
        _score(metrics, functions, _nesting(tree)),
        metrics,
        sorted([*flaws, *_missing_docstrings(tree)], key=lambda found: int(found["line"])),
        list(_opportunities(functions)),
    )


def _lines(code: str) -> dict[str, Any]:
    """Lines in all, with code (a docstring is code), and with nothing but a comment."""
    coded: set[int] = set()
    commented: set[int] = set()
    nothing = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                commented.add(token.start[0])
            elif token.type not in nothing:
                coded.update(range(token.start[0], token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass  # what could be read until there is counted
    return {
        "lines": len(code.splitlines()),
        "code_lines": len(coded),
        "comment_lines": len(commented - coded),
    }


def _unreadable(lines: dict[str, Any], line: int, column: int, message: str) -> Report:
    where = {"line": line, "column": column, "message": message}
    return Report(0.0, lines, [suggestion(line, "syntax_error", message)], syntax_error=where)


def _metrics(tree: ast.Module, functions: list[_Measured], flaws: list[dict[str, Any]]) -> dict[str, Any]:
    classes = sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree))
    counts = {code: sum(flaw["code"] == code for flaw in flaws) for code in FLAWS}
    return {
        "functions": len(functions),
        "classes": classes,
        "max_function_lines": max((found.lines for found in functions), default=0),
        "mean_function_lines": _mean([found.lines for found in functions]),
        "max_complexity": max((found.complexity for found in functions), default=0),
        "mean_complexity": _mean([found.complexity for found in functions]),
        "max_nesting": max((found.nesting for found in functions), default=0) or _nesting(tree),
        "docstring_share": _share([bool(ast.get_docstring(node)) for node in _documented(tree)]),
        "annotated_share": _share([_annotated(node) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]),
        "unused_imports": counts["unused_import"],
        "bare_excepts": counts["bare_except"],
        "mutable_defaults": counts["mutable_default"],
    }


FLAWS = ("unused_import", "bare_except", "mutable_default")


def _score(metrics: dict[str, Any], functions: list[_Measured], of_module: int) -> float:
    documented = metrics["docstring_share"]
    lost: float = (
        5 * sum(found.complexity > COMPLEXITY for found in functions)
        + 3 * sum(found.lines > FUNCTION_LINES for found in functions)
        + 3 * (sum(found.nesting > NESTING for found in functions) + (of_module > NESTING))
        + 4 * (metrics["bare_excepts"] + metrics["mutable_defaults"])
        + metrics["unused_imports"]
        + 10 * (1.0 - (1.0 if documented is None else documented))
    )
    return round(max(0.0, 100.0 - lost), 2)


def _measured(function: Function) -> _Measured:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    return _Measured(function.name, function.lineno, lines, _complexity(function), _nesting(function))


def _complexity(function: Function) -> int:
    """One more than the branches (McCabe, 1976); those of functions inside are their own."""
    total = 1
    for node in _within(function):
        if isinstance(node, BRANCHES):
            total += 1
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
    return total


def _nesting(scope: ast.AST) -> int:
    """The deepest nesting of blocks; `elif` is beside its `if`, not inside it."""
    deepest = 0
    waiting = [(child, 0) for child in ast.iter_child_nodes(scope)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, NEW_SCOPES):
            continue
        inside = depth + isinstance(node, BLOCKS)
        deepest = max(deepest, inside)
        beside = node.orelse if isinstance(node, ast.If) and _is_elif(node) else []
        waiting += [(child, depth if child in beside else inside) for child in ast.iter_child_nodes(node)]
    return deepest


def _is_elif(node: ast.If) -> bool:
    only = node.orelse[0] if len(node.orelse) == 1 else None
    return isinstance(only, ast.If) and only.col_offset == node.col_offset


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """Every node of a function but those of functions and classes in it."""
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node
            waiting += ast.iter_child_nodes(node)


def _documented(tree: ast.Module) -> list[Function | ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (*FUNCTIONS, ast.ClassDef))]


def _annotated(function: Function) -> bool:
    """Whether all arguments but a method's first, and the result, have a type."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    typed = [argument.annotation is not None for argument in named if argument.arg not in ("self", "cls")]
    return all(typed) and function.returns is not None


def _unused_imports(tree: ast.Module) -> Iterator[dict[str, Any]]:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or getattr(node, "module", None) == "__future__":
            continue
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name not in used and name != "*":
                yield suggestion(node.lineno, "unused_import", f"{name} is imported and never used.")


def _bare_excepts(tree: ast.Module) -> Iterator[dict[str, Any]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield suggestion(node.lineno, "bare_except", "A bare except also catches exits; name the exception.")


def _mutable_defaults(tree: ast.Module) -> Iterator[dict[str, Any]]:
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            for value in filter(None, (*node.args.defaults, *node.args.kw_defaults)):
                if _is_mutable(value):
                    text = f"A default of {node.name} is shared by all calls; use None and make it inside."
                    yield suggestion(value.lineno, "mutable_default", text)


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _missing_docstrings(tree: ast.Module) -> Iterator[dict[str, Any]]:
    for node in _documented(tree):
        if not ast.get_docstring(node):
            yield suggestion(node.lineno, "missing_docstring", f"{node.name} has no docstring.")


def _opportunities(functions: list[_Measured]) -> Iterator[dict[str, Any]]:
    for found in functions:
        for reason, value, limit in (
            ("complexity", found.complexity, COMPLEXITY),
            ("function_lines", found.lines, FUNCTION_LINES),
            ("nesting", found.nesting, NESTING),
        ):
            if value > limit:
                yield {"name": found.name, "line": found.line, "reason": reason, "value": value, "limit": limit}


def _mean(values: list[int]) -> float:
    return round(fmean(values), 3) if values else 0.0


def _share(values: list[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
