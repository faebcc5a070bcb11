"""Reading code as data: which texts it builds, which tables it writes, by SQL, by `bulk` or by the ORM.

A tree is a mapping of paths to sources, so that a rule can be shown a planted violation as easily as the
real code. What cannot be read for certain (a table or column that is computed) is shown as `?`, and counts
as the worst it could be.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

Tree = Mapping[str, str]
Names = Mapping[str, list[str]]
PACKAGES = ("payouts_project", "ops", "payouts", "ledger", "connectors")
UNKNOWN = "?"


def read_tree(root: Path, *folders: str) -> dict[str, str]:
    """Path -> source of every Python file below these folders, and of the two scripts in the root."""
    files = [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]
    files += [root / "manage.py", root / "dev"] if "payouts" in folders else []
    return {str(file.relative_to(root)): file.read_text() for file in files}


@cache
def parse(source: str) -> ast.Module:
    return ast.parse(source)


def is_migration(path: str) -> bool:
    return "/migrations/" in path


def calls(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(parse(source)) if isinstance(node, ast.Call))


def called(node: ast.Call) -> str:
    """The last name of what is called: `execute` of `cursor.execute(…)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


# --- texts ----------------------------------------------------------------------------------------


def renderings(node: ast.AST, names: Names) -> list[str]:
    """Every text that an expression may be; empty when it is no text. What is computed is `{?}`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name):
            return names.get(name, [])
        case ast.JoinedStr(values=parts):
            return _combine([renderings(part, names) or ["{?}"] for part in parts])
        case ast.FormattedValue(value=value):
            return renderings(value, names) or ["{?}"]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            sides = [renderings(left, names), renderings(right, names)]
            return _combine([side or ["{?}"] for side in sides]) if any(sides) else []
        case ast.BinOp(left=left, op=ast.Mod()):
            return renderings(left, names)
        case ast.IfExp(body=body, orelse=orelse):
            return renderings(body, names) + renderings(orelse, names)
        case ast.Call(func=ast.Attribute(value=text, attr="format")):
            return [re.sub(r"\{\w*\}", "{?}", found) for found in renderings(text, names)]
        case ast.Call(
            func=ast.Attribute(value=glue, attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            joined = _combine([renderings(part, names) or ["{?}"] for part in parts], "\0")
            return [text.replace("\0", g) for text in joined for g in renderings(glue, names)]
    return []


def _combine(parts: list[list[str]], glue: str = "") -> list[str]:
    found = (glue.join(choice) for choice in product(*parts))
    return [text for text, _ in zip(found, range(64), strict=False)]


@cache
def string_names(source: str) -> dict[str, list[str]]:
    """Names that a module gives to texts, anywhere in it, with every text; `{?}` if also to something else."""
    names: dict[str, list[str]] = {}
    bound: Counter[str] = Counter()
    for node in ast.walk(parse(source)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found = [renderings(value, names)]
            case ast.For(
                target=ast.Name(id=name), iter=ast.Tuple(elts=items) | ast.List(elts=items)
            ):
                found = [renderings(item, names) for item in items]
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                bound[name] += 1
                continue
            case _:
                continue
        if all(found):
            names.setdefault(name, []).extend(text for texts in found for text in texts)
            bound[name] -= 1
    return {name: found + ["{?}"] * (bound[name] > 0) for name, found in names.items() if found}


def docstrings(source: str) -> Iterator[ast.Constant]:
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


@cache
def texts(source: str) -> list[tuple[int, str]]:
    """Line and text of everything that a module says in strings, put together; docstrings excepted."""
    names, silent = string_names(source), {id(node) for node in docstrings(source)}
    found: list[tuple[int, str]] = []
    waiting: list[ast.AST] = [parse(source)]
    while waiting:
        node = waiting.pop()
        if id(node) in silent:
            continue
        known = [] if isinstance(node, ast.Name) else renderings(node, names)
        if known:
            found += [(getattr(node, "lineno", 0), text) for text in known]
        waiting += _inside(node) if known else ast.iter_child_nodes(node)
    return sorted(found)


def _inside(node: ast.AST) -> list[ast.AST]:
    """Where other texts may stand within an expression that was read as one text."""
    if isinstance(node, ast.JoinedStr):
        return [p.value for p in node.values if isinstance(p, ast.FormattedValue)]
    if isinstance(node, ast.Call):
        return [*node.args, *node.keywords]
    return [node.right] if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) else []


# --- writes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Write:
    """One place that writes: `columns` maps what is set to how, `?` for what cannot be read."""

    path: str
    line: int
    verb: str  # insert | update | delete | assign
    table: str
    columns: tuple[tuple[str, str], ...] = ()
    receiver: str = ""  # assign: the object whose attribute is set

    def __str__(self) -> str:
        what = ", ".join(name for name, _ in self.columns)
        of = self.receiver or self.table
        return f"{self.path}:{self.line}: {self.verb} {of}{f' ({what})' if what else ''}"


TABLE = r"(?:ONLY )?(?!SET\b|ON\b|OR\b|OF\b)([\w{}?%]+)"
INSERT = re.compile(rf"\b(?:INSERT INTO|MERGE INTO) {TABLE}", re.IGNORECASE)
COPY = re.compile(rf"\bCOPY {TABLE}(?: ?\([^)]*\))? FROM\b", re.IGNORECASE)
UPDATE = re.compile(rf"\bUPDATE {TABLE}(?: \*)?(?: (?:AS )?(?!SET\b)\w+)? SET (.*)", re.IGNORECASE)
UPSERT = re.compile(rf"\bINSERT INTO {TABLE}.*?\bDO UPDATE SET (.*)", re.IGNORECASE)
MERGE = re.compile(rf"\bMERGE INTO {TABLE}.*?\bTHEN UPDATE SET (.*)", re.IGNORECASE)
DELETE = re.compile(rf"\b(?:DELETE FROM|TRUNCATE(?: TABLE)?) {TABLE}", re.IGNORECASE)
END_OF_SET = re.compile(r" (WHERE|FROM|RETURNING|WHEN) |;", re.IGNORECASE)


def plain_sql(text: str) -> str:
    """SQL without comments, quotes, the schema's name and line breaks."""
    text = re.sub(r"/\*.*?\*/", " ", re.sub(r"--[^\n]*", " ", text), flags=re.DOTALL)
    return re.sub(r"\s+", " ", text.replace('"', "").replace("public.", ""))


def sql_writes(path: str, source: str) -> Iterator[Write]:
    for line, text in texts(source):
        sql = plain_sql(text)
        for verb, pattern in (("insert", INSERT), ("insert", COPY), ("delete", DELETE)):
            for found in pattern.finditer(sql):
                yield Write(path, line, verb, _table(found[1]))
        for pattern in (UPDATE, UPSERT, MERGE):
            start = 0
            while found := pattern.search(sql, start):
                yield Write(path, line, "update", _table(found[1]), _set_columns(found[2]))
                start = found.start(2)


def _table(name: str) -> str:
    return UNKNOWN if re.search(r"[{%?]", name) else name.lower()


def _set_columns(clause: str) -> tuple[tuple[str, str], ...]:
    """The columns of a SET clause, with what they are set to."""
    parts, depth = [""], 0
    for n, character in enumerate(clause):
        depth += (character == "(") - (character == ")")
        if depth < 0 or (depth == 0 and END_OF_SET.match(clause, n)):
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    columns = []
    for part in parts:
        left, _, right = part.partition("=")
        columns += [(name.strip().lower(), right.strip()) for name in left.strip(" ()").split(",")]
        if "{" in part or not right:
            columns.append((UNKNOWN, part.strip()))
    return tuple((UNKNOWN if "{" in name else name, value) for name, value in columns)


def bulk_writes(path: str, source: str) -> Iterator[Write]:
    """`bulk.insert("table", …)`; the module `bulk` itself writes to whatever it is told."""
    for node in calls(source):
        if called(node) in ("insert", "insert_returning_ids") and node.args and len(node.args) >= 3:
            for table in renderings(node.args[0], string_names(source)) or [UNKNOWN]:
                yield Write(path, node.lineno, "insert", _table(table))


def tables_of_models(tree: Tree) -> dict[str, str]:
    """Model class -> table, from the models' own `db_table`."""
    found = {}
    for source in tree.values():
        for node in ast.walk(parse(source)):
            if isinstance(node, ast.ClassDef) and (table := _db_table(node)):
                found[node.name] = table
    return found


def _db_table(model: ast.ClassDef) -> str:
    for inner in model.body:
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta":
            for line in inner.body:
                match line:
                    case ast.Assign(
                        targets=[ast.Name(id="db_table")], value=ast.Constant(value=str(t))
                    ):
                        return t
    return ""


ORM_INSERTS = {
    "create",
    "acreate",
    "bulk_create",
    "abulk_create",
    "get_or_create",
    "aget_or_create",
}
ORM_WHOLE_ROWS = {"bulk_update", "abulk_update", "save", "asave"}
ORM_BOTH = {"update_or_create", "aupdate_or_create"}


def orm_writes(path: str, source: str, tables: Mapping[str, str]) -> Iterator[Write]:
    models = _imported_models(source, tables)
    reader = _OrmReader(path, tables, models, dict(models))
    for node in ast.walk(parse(source)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if table := reader.table_of(value):
                    reader.known[name] = table
    for node in ast.walk(parse(source)):
        match node:
            case ast.Call(func=ast.Name()):
                yield from reader.function(node)
            case ast.Call(func=ast.Attribute()):
                yield from reader.method(node)
            case ast.Assign(targets=targets):
                yield from reader.assignments(targets)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                yield from reader.assignments([target])


def _imported_models(source: str, tables: Mapping[str, str]) -> dict[str, str]:
    """Name in this module -> table, for the models that it imports."""
    found = {}
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.ImportFrom) and re.search(r"\bmodels\b", node.module or ""):
            found |= {i.asname or i.name: tables[i.name] for i in node.names if i.name in tables}
    return found


@dataclass(frozen=True, slots=True)
class _OrmReader:
    """Reads the ORM's writes in one module."""

    path: str
    tables: Mapping[str, str]
    models: Mapping[str, str]
    known: dict[str, str]  # the models, and names for what was made from them

    def table_of(self, node: ast.AST) -> str:
        """Where a chain such as `Model.objects.filter(…)` starts; "" where it cannot be told."""
        while True:
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="get_model"), args=[*_, ast.Constant(value=name)]
                ):
                    return self.tables.get(str(name), "")
                case ast.Attribute(value=ast.Name(id="models"), attr=name):
                    return self.tables.get(name, "")
                case ast.Call(func=inner) | ast.Attribute(value=inner) | ast.Subscript(value=inner):
                    node = inner
                case ast.Name(id=name):
                    return self.known.get(name, "")
                case _:
                    return ""

    def function(self, node: ast.Call) -> Iterator[Write]:
        """A model's constructor, and `setattr`."""
        name = called(node)
        if name in self.models:
            yield Write(self.path, node.lineno, "insert", self.models[name])
        if name == "setattr" and len(node.args) == 3:
            for column in renderings(node.args[1], {}) or [UNKNOWN]:
                owner = ast.unparse(node.args[0])
                yield Write(self.path, node.lineno, "assign", UNKNOWN, ((column, ""),), owner)

    def method(self, node: ast.Call) -> Iterator[Write]:
        verb, line, table = called(node), node.lineno, self.table_of(node.func) or UNKNOWN
        if verb in ORM_INSERTS | ORM_BOTH and table != UNKNOWN:
            yield Write(self.path, line, "insert", table)
        if verb in ORM_BOTH and table != UNKNOWN:
            yield Write(self.path, line, "update", table, ((UNKNOWN, ""),))
        if (
            verb in ("update", "aupdate") and node.keywords
        ):  # Without, it is a dictionary's or a hash's.
            named = tuple((k.arg or UNKNOWN, ast.unparse(k.value)) for k in node.keywords)
            yield Write(self.path, line, "update", table, named)
        if verb in ORM_WHOLE_ROWS:
            yield Write(self.path, line, "update", table, ((UNKNOWN, ""),))
        if verb in ("delete", "adelete") and not node.args:
            yield Write(self.path, line, "delete", table)

    def assignments(self, targets: list[ast.expr]) -> Iterator[Write]:
        for target in targets:
            if isinstance(target, ast.Attribute):
                columns, owner = ((target.attr, ""),), ast.unparse(target.value)
                yield Write(self.path, target.lineno, "assign", UNKNOWN, columns, owner)


def all_writes(tree: Tree, paths: Iterable[str]) -> Iterator[Write]:
    """Every write of these modules; the whole tree says which models there are."""
    tables = tables_of_models(tree)
    for path in paths:
        source = tree[path]
        yield from sql_writes(path, source)
        yield from bulk_writes(path, source)
        yield from orm_writes(path, source, tables)
