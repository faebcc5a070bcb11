"""The account PostgreSQL runs as, and a home that it can reach.

As root, PostgreSQL refuses to run, so it runs as `postgres` or `nobody`, whichever exists. No
account is made and no permission is changed outside directories that we made ourselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from payouts_project import leash
from payouts_project.server import EmbeddedError


class Account:
    """Who the server runs as: ourselves, or an existing harmless account when we are root."""

    def __init__(self) -> None:
        self.entry: pwd.struct_passwd | None = None
        if os.geteuid() != 0:
            return
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                self.entry = pwd.getpwnam(name)
                return
        raise EmbeddedError(
            "PostgreSQL does not run as root, and neither `postgres` nor `nobody` exists here: "
            "run as an ordinary user or set DATABASE_URL"
        )

    @property
    def name(self) -> str:
        return self.entry.pw_name if self.entry else "this user"

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for Popen. "/" because the account must be able to stand there."""
        if self.entry is None:
            return {"cwd": "/"}
        return {
            "cwd": "/",
            "user": self.entry.pw_uid,
            "group": self.entry.pw_gid,
            "extra_groups": [],
        }

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(part) for part in command],
                capture_output=True,
                text=True,
                check=False,
                preexec_fn=leash.die_with_parent(signal.SIGKILL),
                **self.options,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return subprocess.CompletedProcess(command, 126, "", str(error))

    def can_use(self, directory: Path) -> bool:
        """Tried, not worked out: modes, ACLs and containers all have a say."""
        return self.run("/bin/sh", "-c", 'cd "$0" && test -w .', directory).returncode == 0

    def own(self, path: Path) -> None:
        if self.entry is not None:
            os.chown(path, self.entry.pw_uid, self.entry.pw_gid)


def make_home(wanted: Path, account: Account) -> Path:
    """A directory that the account can work in, reachable as `wanted`.

    A state directory below root's 0700 home cannot be reached by any other account, and opening
    that home would be wrong. The data then lies in /var/lib (or the temporary directory), and
    `wanted` is a link to it. A home that lies there without such a link belongs to a state
    directory that was deleted, so it is deleted too.
    """
    if wanted.is_symlink() and wanted.is_dir():
        return wanted.resolve()
    if not wanted.is_symlink():
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        account.own(wanted)
        if account.can_use(wanted):
            return wanted
        wanted.rmdir()
    wanted.unlink(missing_ok=True)
    name = "payouts-" + hashlib.sha256(os.fsencode(wanted.absolute())).hexdigest()[:12]
    for parent in (Path("/var/lib"), Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108
        home = parent / name
        with contextlib.suppress(OSError):
            if home.is_dir() and home.stat().st_uid in (os.geteuid(), _uid(account)):
                shutil.rmtree(home)
            home.mkdir(mode=0o700)
            account.own(home)
            if account.can_use(home):
                wanted.symlink_to(home)
                return home
            home.rmdir()
    raise EmbeddedError(
        f"no place found where PostgreSQL could keep data for {wanted}: set DATABASE_URL"
    )


def _uid(account: Account) -> int:
    return account.entry.pw_uid if account.entry else os.geteuid()
