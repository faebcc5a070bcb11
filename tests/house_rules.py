"""The rules of the house as functions: a tree of sources in, violations out ("path:line: what").

Exceptions stand here by name, each with its reason. `test_architecture` holds the rules against the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import code_reading as reading
from tests.code_reading import Tree, Write

LAYERED = ("payouts/", "ledger/", "ops/")


# --- who writes what --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owner:
    """Who may do this to a table. `column` None: any; `only`: a module that may set just this value."""

    table: str
    verb: str
    modules: frozenset[str] = frozenset()
    column: str | None = None
    only: dict[str, str] = field(default_factory=dict)

    def forbids(self, write: Write) -> bool:
        if not re.fullmatch(self.table, write.table) or write.verb != self.verb:
            return False
        values = [v for name, v in write.columns if self.column in (None, name) or name == "?"]
        touched = self.column is None or bool(values)
        allowed = write.path in self.modules or self.only.get(write.path) in values[:1]
        return touched and not allowed


def _only(*modules: str) -> frozenset[str]:
    return frozenset(modules)


OWNERS = [
    Owner("payouts", "insert", _only("payouts/creation.py")),
    Owner("payouts", "update", _only("payouts/states.py"), "status"),
    Owner("payout_holds", "insert", _only("payouts/funds.py")),
    # The trigger that ends an expiry with the first attempt is in the migration.
    Owner("payout_holds", "update", _only("payouts/funds.py", "payouts/migrations/0013_second_person.py")),
    Owner("payout_retry_log", "insert", _only("payouts/dispatch.py")),
    Owner("payout_retry_log", "update", _only("payouts/evidence.py"), "state",
          {"payouts/dispatch.py": "'intent'"}),
    Owner("bank_evidence", "insert", _only("payouts/evidence.py")),
    *(Owner("payout_batch(es|_items)", verb, _only("payouts/batches.py")) for verb in ("insert", "update")),
    Owner("bank_letters", "insert", _only("payouts/letters.py")),
    *(Owner("bank_recalls", verb, _only("payouts/recall_states.py")) for verb in ("insert", "update")),
    Owner("payouts", "update", _only("payouts/recall_states.py", "payouts/states.py"), "recall_status"),
    Owner("account_corrections", "insert", _only("payouts/corrections.py")),
    Owner("payee_verifications|payee_checks", "insert", _only("payouts/payee_records.py")),
    Owner("payee_checks", "update", _only("payouts/payee_records.py", "payouts/rotation.py")),
    Owner("batch_schedules", "insert", _only("payouts/schedules.py")),
    Owner("routing_decisions", "insert", _only("payouts/decisions.py")),
    # The trigger that says who changed a status by hand is in the migration.
    Owner("payout_audit_log", "insert",
          _only("payouts/audit.py", "payouts/migrations/0003_rules.py", "payouts/migrations/0008_watching.py",
                "payouts/migrations/0012_audit_seals.py", "payouts/migrations/0013_second_person.py")),
    Owner("audit_seals", "insert", _only("payouts/seals.py")),
    Owner("ledger_.*", "insert", _only("ledger/book.py")),
    Owner("ledger_balances", "update", _only("ledger/book.py")),
    # What is never changed, and what is never deleted.
    Owner("account_corrections|payee_verifications|bank_evidence|bank_letters|"
          "routing_decisions|payout_audit_log|audit_seals|ledger_(?!balances).*", "update"),
    Owner("account_corrections|payee_.*|payouts|payout_(?!sla_rules).*|bank_.*|ledger_.*|routing_decisions|idempotency_keys|audit_seals",
          "delete"),
]  # fmt: skip
# Statuses that are planned in memory, or of something that is no row of ours.
PLANNED = {
    ("payouts/states.py", "move.payout", "status"),
    ("payouts/evidence.py", "case", "status"),
    ("payouts/evidence.py", "attempt", "state"),
}
# Writes whose table is computed or not told by the code, and why that is safe.
UNNAMED = {
    "payouts/bulk.py": "writes where its caller says; callers are read",
    "payouts/rotation.py": "its tables are in SEALED, read below",
    "payouts/schedules.py": "hangs its doorbell into the tables of Celery beat",
    "ops/bench.py": "writes to tables of its own, bench_*",
    "ops/bench_plain.py": "writes to tables of its own, plain_*",
}


def foreign_writers(tree: Tree) -> list[str]:
    """Writes by a module that does not own what it writes."""
    found = []
    for write in reading.all_writes(tree, [path for path in tree if not path.startswith("tests/")]):
        if write.verb == "assign":
            name = write.columns[0][0]
            planned = (write.path, write.receiver, name) in PLANNED
            if name in ("status", "state", "?") and write.path.startswith(LAYERED) and not planned:
                found.append(str(write))
        elif write.table == reading.UNKNOWN:
            if write.path not in UNNAMED:
                found.append(str(write))
        elif any(owner.forbids(write) for owner in OWNERS):
            found.append(str(write))
    return found


LOCKERS = {
    "ledger/book.py", "payouts/due.py", "payouts/doubt.py", "payouts/inbound.py",
    "payouts/lifecycle.py", "payouts/outcomes.py", "payouts/rotation.py", "payouts/states.py",
    "payouts/recall_states.py",  # a recall to be asked for, alone; elsewhere always after its payout
    "payouts/payee_records.py",  # whose turn it is to ask about an account; locks nothing else
    "payouts/corrections.py",  # an account, always after the payout that was paid to it
    "payouts/batches.py", "payouts/schedules.py",  # a schedule, always before payouts
    "payouts/alert_rules.py",  # marks late payouts; skips what is locked, so it waits for nobody
    "ops/service_levels.py",  # a rule while a person changes it; nothing that moves money locks one
}  # fmt: skip
LOCK = re.compile(r"\bFOR (NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b|\bLOCK TABLE\b", re.IGNORECASE)
LIFTING = re.compile(
    r"\b(ALTER TABLE|DROP (TABLE|TRIGGER|INDEX|CONSTRAINT)|CREATE (TABLE|TRIGGER|INDEX))\b"
    r"|session_replication_role", re.IGNORECASE,
)  # fmt: skip


def foreign_locks(tree: Tree) -> list[str]:
    """Row locks outside the modules that know the order of locks."""
    return _speaks(tree, LOCK, allowed=LOCKERS) + [
        f"{path}:{node.lineno}: select_for_update"
        for path, source in tree.items()
        for node in reading.calls(source)
        if reading.called(node) == "select_for_update" and path not in LOCKERS
    ]


def lifted_rules(tree: Tree) -> list[str]:
    """Schema changes outside migrations. The benchmark compares with and without triggers."""
    return _speaks(tree, LIFTING, allowed={"ops/bench.py"})


def _speaks(tree: Tree, pattern: re.Pattern[str], *, allowed: set[str]) -> list[str]:
    return [
        f"{path}:{line}: {found[0]}"
        for path, source in tree.items()
        if path not in allowed and not reading.is_migration(path)
        for line, text in reading.texts(source)
        if (found := pattern.search(reading.plain_sql(text)))
    ]


# --- who knows whom -----------------------------------------------------------------------------------

CELERY = {"payouts/tasks.py", "payouts_project/celery.py"}
ABOVE = {
    "ledger/": "payouts|ops|payouts_project",
    "connectors/": "payouts|ops|payouts_project|ledger",
    "payouts/": "ops|payouts_project",
    "ops/": "payouts_project",
}
FRAMEWORKS = {"django", "rest_framework", "celery", "psycopg", "redis"}


def celery_elsewhere(tree: Tree) -> list[str]:
    """Celery spoken outside the two modules that may."""
    found = []
    for path in tree.keys() - CELERY:
        found += [
            f"{path}:{n}: import {name}" for n, name in _imports(tree[path]) if name == "celery"
        ]
        found += [
            f"{path}:{node.lineno}: {reading.called(node)}"
            for node in reading.calls(tree[path])
            if reading.called(node) in ("delay", "apply_async", "send_task", "shared_task")
        ]
    return found


def names_upward(tree: Tree) -> list[str]:
    """A lower package that names a higher one in a string, where no import shows it."""
    found = []
    for path, source in tree.items():
        above = next((names for below, names in ABOVE.items() if path.startswith(below)), None)
        if above is None:
            continue
        dotted = re.compile(rf"(?<![\w./-])({above})\.[A-Za-z_]")
        found += [
            f"{path}:{n}: {text[:60]}" for n, text in reading.texts(source) if dotted.search(text)
        ]
        found += [
            f"{path}:{node.lineno}: {ast.unparse(node)}"
            for node in reading.calls(source)
            if reading.called(node) in ("get_model", "get_app_config", "import_module")
            and any(
                re.fullmatch(above, text)
                for arg in node.args
                for text in reading.renderings(arg, {})
            )
        ]
    return found


def frameworks_in_connectors(tree: Tree) -> list[str]:
    return [
        f"{path}:{n}: import {name}"
        for path, source in tree.items()
        if path.startswith("connectors/")
        for n, name in _imports(source)
        if name in FRAMEWORKS
    ]


def _imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of each import, also of those within functions."""
    for node in ast.walk(reading.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name.split(".")[0]) for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module.split(".")[0]
            case ast.Call(
                func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name))]
            ):
                yield node.lineno, name.split(".")[0]


# --- size, names, leftovers -----------------------------------------------------------------------------


def too_long(tree: Tree) -> list[str]:
    """Functions above 60 lines and modules above 400."""
    found = []
    for path, source in tree.items():
        if reading.is_migration(path):
            continue
        if (lines := len(source.splitlines())) > 400:
            found.append(f"{path}: {lines} lines")
        for node in ast.walk(reading.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                found += (
                    [f"{path}:{node.lineno}: {node.name} has {lines} lines"] if lines > 60 else []
                )
    return found


def vague_names(tree: Tree) -> list[str]:
    """Modules that are named after nothing, and migrations that nobody named."""
    vague = re.compile(r"(^|_)(utils?|helpers?|common|core|misc)$")
    return [
        path
        for path in tree
        if any(vague.search(part.removesuffix(".py")) for part in path.split("/"))
        or (reading.is_migration(path) and "_auto_" in path)
    ]


UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def unfinished(tree: Tree) -> list[str]:
    """Notes to come back, and what is not there yet."""
    found = []
    for path, source in tree.items():
        said = [(n, text) for n, text in enumerate(source.splitlines(), 1) if "#" in text]
        said = [(n, text[text.index("#") :]) for n, text in said]
        said += [(node.lineno, str(node.value)) for node in reading.docstrings(source)]
        found += [f"{path}:{n}: {text.strip()[:60]}" for n, text in said if UNFINISHED.search(text)]
        found += [
            f"{path}:{node.lineno}: NotImplementedError"
            for node in ast.walk(reading.parse(source))
            if isinstance(node, ast.Name) and node.id == "NotImplementedError"
        ]
    return found


# Floats that are no money: module -> how many, and what they are.
FLOATS = {
    "connectors/bank_simulator/control.py": (1, "seconds"),
    "connectors/bank_simulator/faults.py": (1, "a probability, seconds"),
    "connectors/http.py": (1, "seconds of Retry-After"),
    "connectors/sandbox.py": (1, "seconds"),
    "payouts/api/schema/bodies.py": (1, "hours, described"),
    "payouts/api/serializers.py": (1, "asks whether a number in metadata survives being one"),
    "payouts/api/figures.py": (1, "hours"),
    "payouts/backoff.py": (1, "seconds"),
    "payouts/due.py": (1, "seconds"),
    "payouts/models/journal.py": (1, "seconds by which the sandbox's clock runs ahead"),
    "payouts_project/environment.py": (2, "durations in settings"),
    "payouts_project/retries.py": (2, "durations in settings"),
    "payouts_project/supervisor.py": (1, "seconds"),
}


def floats(tree: Tree) -> list[str]:
    """Binary fractions where money might be: `float`, FloatField, Decimal of a literal with a point."""
    found = []
    for path, source in tree.items():
        seen = (
            [] if reading.is_migration(path) else [n for n in reading.calls(source) if _is_float(n)]
        )
        if len(seen) != FLOATS.get(path, (0, ""))[0]:  # Also when an exception is needed no more.
            found += [f"{path}:{node.lineno}: {ast.unparse(node)}" for node in seen] or [path]
    return found


def _is_float(node: ast.Call) -> bool:
    literals = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
    inexact = reading.called(node) == "Decimal" and any(isinstance(v, float) for v in literals)
    return inexact or reading.called(node) in ("float", "FloatField")


# Who may ask the machine for the time. Business time is clock.now(); a span of time is time.monotonic().
TELLERS = {
    "connectors/bank_simulator/book.py": "another company's computer",
    "connectors/bank_simulator/desk.py": "another company's computer",
    "connectors/bank_simulator/scheme_clock.py": "another company's clock",
    "connectors/bank_simulator/postman.py": "another company's clock",
    "connectors/bank_simulator/wallets.py": "another company's clock",
    "connectors/rails/interbank.py": "a question to a bank says when it is asked",
    "connectors/http.py": "Retry-After may name a date",
    "payouts/api/auth.py": "how old a signature is",
    "payouts/api/tokens.py": "whether a token is still good",
    "payouts_project/embedded.py": "how old a folder is",
}
TOLD = ("now", "utcnow", "today", "localdate", "localtime", "time", "time_ns")
TELLING = re.compile(r"(\w+\.)*((datetime|date|timezone)\.\w+|time\.time(_ns)?)$")


def other_clocks(tree: Tree) -> list[str]:
    """Time from anywhere but `payouts.clock`."""
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, source in tree.items()
        if path not in TELLERS
        for node in reading.calls(source)
        if reading.called(node) in TOLD and TELLING.match(ast.unparse(node.func))
    ]


PATH = re.compile(
    r"(?<![\w/.:<}-])((?:payouts_project|payouts|ledger|connectors|ops|templates|tests|\.ci)/[\w./*{},-]*"
    r"|\./[\w./-]+|[\w-]+\.(?:py|toml|lock|md))"
)


def missing_paths(text: str, exists: Callable[[str], bool]) -> list[str]:
    """Paths that a document names and that are not there. `{a,b}` names both, `*` at least one."""
    text = re.sub(
        r"[\w./-]*<\w+>[\w./-]*|\bpayouts/s\b", "", text
    )  # Placeholders; payouts a second.
    named = {found.rstrip(".,/") for found in PATH.findall(text)}
    expanded = {one for name in named for one in _expand(name)}
    return sorted(name for name in expanded if name and not exists(name))


def _expand(name: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", name)
    if not found:
        return [name]
    choices = found[1].split(",")
    return [p for c in choices for p in _expand(name[: found.start()] + c + name[found.end() :])]


def exists_below(root: Path) -> Callable[[str], bool]:
    """Whether a path of a document is there; `*` stands for at least one file."""
    folders = ("payouts_project", "payouts", "ledger", "connectors", "ops", "tests")
    names = {file.name for folder in folders for file in (root / folder).rglob("*.*")}

    def exists(name: str) -> bool:
        if "*" in name:
            return any(root.glob(name))
        return (root / name).exists() or name in names  # or a file named without its folder

    return exists
