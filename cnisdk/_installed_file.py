"""Launchers on disk: written whole or not at all, recognised, removed."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import attrs

from cnisdk import _directories


_MARK: Final = ".cnisdk-tmp."
_STALE_SECONDS: Final = 600
_STALE: Final = re.compile(r"\..+" + re.escape(_MARK) + r"[0-9a-f]+")
_SECONDS_TO_ANSWER: Final = 30
_LABEL: Final = "security.selinux"
_NOFOLLOW: Final = os.O_NOFOLLOW | os.O_CLOEXEC


class InstallFailure(Exception):
    """Installing or removing is not possible; nothing was changed.

    Args:
        message: What is wrong.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@attrs.frozen
class Launcher:
    """What a launcher starts."""

    interpreter: str
    target: str
    """As `cnisdk._launcher.load` takes it."""
    versions: tuple[str, ...] = ()

    def text(self) -> str:
        """The file's content."""
        from cnisdk import _launcher

        target, _, directory = self.target.partition("@")
        return _launcher.text(target, self.versions, self.interpreter, directory)


def read_launcher(path: str) -> Launcher | None:
    """The launcher in a file, of whatever interpreter; None for any other file."""
    from cnisdk import _launcher

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NOFOLLOW)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        lines = os.read(fd, 4096).decode(errors="replace").split("\n")
    except OSError:
        return None
    finally:
        os.close(fd)
    if len(lines) < 2 or not lines[0].startswith("#!") or not lines[1].startswith(_launcher.MARKER):
        return None
    interpreter = lines[0].removeprefix("#!").removesuffix(" -I")
    return Launcher(interpreter, lines[1].removeprefix(_launcher.MARKER))


@contextmanager
def directory(path: str, *, make: bool = True) -> Generator[Place, None, None]:
    """Open the directory of the launchers.

    Raises:
        InstallFailure: it cannot be made, opened or written to.
    """
    try:
        if make:
            _directories.make(path, 0o755)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as failure:
        raise _refused(path, failure) from failure
    try:
        yield Place(path, fd)
    except OSError as failure:
        raise _refused(path, failure) from failure
    finally:
        os.close(fd)


class Place:
    """The directory, open."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def write_all(self, launchers: Mapping[str, Launcher], *, force: bool) -> dict[str, str]:
        """Write launchers; try every one out before the first gets its name.

        Returns:
            CNI type -> new, updated, replaced or unchanged.
        """
        self._remove_stale()
        changes = {name: self._change(name, launchers[name], force=force) for name in launchers}
        temporary: dict[str, str] = {}
        try:
            for name, launcher in launchers.items():
                if changes[name] != "unchanged":
                    temporary[name] = f".{name}{_MARK}{os.getpid():x}{time.time_ns():x}"
                    self._write(name, temporary[name], launcher.text())
                    self._try_out(name, temporary[name])
            for name in list(temporary):
                os.rename(temporary[name], name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
                del temporary[name]
            os.fsync(self.fd)
        finally:
            for left in temporary.values():
                with suppress(FileNotFoundError):
                    os.unlink(left, dir_fd=self.fd)
        return changes

    def remove_all(self, names: Iterable[str]) -> list[str]:
        """Remove launchers; see `cnisdk.install.uninstall`."""
        present = [name for name in names if self._status(name) is not None]
        for name in present:
            if read_launcher(self._at(name)) is None:
                raise InstallFailure(
                    f"{self._at(name)} is not a launcher of cnisdk, so it stays",
                    "remove it with the tool that installed it",
                )
        for name in present:
            os.unlink(name, dir_fd=self.fd)
        self._remove_stale()
        os.fsync(self.fd)
        return present

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _status(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _change(self, name: str, launcher: Launcher, *, force: bool) -> str:
        found = self._status(name)
        if found is None:
            return "new"
        if stat.S_ISDIR(found.st_mode):
            raise InstallFailure(f"{self._at(name)} is a directory", "move it out of the way")
        if read_launcher(self._at(name)) is None:
            if force:
                return "replaced"
            raise InstallFailure(
                f"{self._at(name)} exists and is not a launcher of cnisdk",
                "use another --bin-dir and put it first in CNI_PATH, or --force to replace the file",
            )
        with open(self._at(name), encoding="utf-8", errors="replace") as file:
            same = file.read() == launcher.text() and found.st_mode & 0o7777 == 0o755
        return "unchanged" if same else "updated"

    def _write(self, name: str, temporary: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
        fd = os.open(temporary, flags, 0o600, dir_fd=self.fd)
        try:
            view = memoryview(text.encode())
            while view:
                view = view[os.write(fd, view) :]
            with suppress(OSError):
                # Renaming keeps the temporary file's label; runtimes may execute only the old one's.
                os.setxattr(fd, _LABEL, os.getxattr(self._at(name), _LABEL))
            os.fchmod(fd, 0o755)
            os.fsync(fd)
        finally:
            # Closed before it gets its name: nobody can meet "text file busy".
            os.close(fd)

    def _try_out(self, name: str, temporary: str) -> None:
        """Ask the very file for its versions: shebang, interpreter, mount options, SELinux."""
        import subprocess

        path = os.path.abspath(self._at(temporary))
        try:
            done = subprocess.run(
                [path],
                env={"CNI_COMMAND": "VERSION"},
                input=b'{"cniVersion": "1.1.0"}',
                capture_output=True,
                check=False,
                timeout=_SECONDS_TO_ANSWER,
            )
            answer = json.loads(done.stdout)
            sound = done.returncode == 0 and bool(answer["supportedVersions"])
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        except OSError as failure:
            sound, reason = False, f"{failure.strerror}"
        except subprocess.TimeoutExpired:
            sound, reason = False, f"no answer within {_SECONDS_TO_ANSWER} s"
        except (ValueError, KeyError, TypeError):
            sound, reason = False, "the answer is no version object"
        if not sound:
            raise InstallFailure(
                f'a launcher for "{name}" does not work in {self.path}: {reason}',
                "see that the directory is not mounted noexec and that the runtime's user may run "
                "the interpreter; on SELinux: restorecon -v " + self.path,
            )

    def _remove_stale(self) -> None:
        """What an installation that was killed left behind."""
        for name in os.listdir(self.fd):
            found = self._status(name) if _STALE.fullmatch(name) else None
            if found is not None and time.time() - found.st_mtime > _STALE_SECONDS:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self.fd)


def _refused(path: str, failure: OSError) -> InstallFailure:
    hint = "choose another directory with --bin-dir"
    if isinstance(failure, PermissionError):
        hint = f"run as root, or {hint}"
    return InstallFailure(f"cannot write to {path}: {failure.strerror}", hint)
