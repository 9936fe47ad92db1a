"""Changed files, told as they are saved: several at a time as one change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from weft.core.errors import UnavailableError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

QUIET_MS = 50
"""Milliseconds without a change after which what was saved is told."""

LONGEST_MS = 1000
"""Milliseconds after which it is told all the same."""

_LOOK_EVERY_MS = 2 * QUIET_MS  # watchfiles takes no timeout that is as short as a step

Changed = Callable[[frozenset[Path]], object]


class Watch:
    """Watches folders, not what is in the folders in them. ``changed`` is called on a thread of the watch.

    Editors write, rename or replace files as they please: what is told is only which paths something happened to.
    """

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._folders: frozenset[Path] = frozenset()
        self._stop = Event()
        self._thread: Thread | None = None

    def follow(self, folders: Iterable[Path]) -> None:
        """Watch these folders from now on; those that are not there are left out. No change is missed meanwhile.

        Raises UnavailableError when the system watches no more.
        """
        wanted = frozenset(folder for folder in folders if folder.is_dir())
        if wanted == self._folders:
            return
        notifier = _notifier(wanted)  # sees what happens from here on; only then may the one before it end
        self._end()
        self._folders, self._stop = wanted, Event()
        self._thread = Thread(target=self._run, args=(notifier, self._stop), name="weft-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch nothing any more."""
        self._end()
        self._folders = frozenset()

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def _run(self, notifier: RustNotify, stop: Event) -> None:
        ending = False
        with notifier:
            while not ending:
                # Looked at before: what was saved until then is told, which its own stop event would throw away.
                ending = stop.is_set()
                found = notifier.watch(LONGEST_MS, QUIET_MS, _LOOK_EVERY_MS, None)
                if isinstance(found, set):
                    self._changed(frozenset(Path(path) for _, path in found))


def _notifier(folders: frozenset[Path]) -> RustNotify:
    from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

    try:
        return RustNotify(sorted(map(str, folders)), False, False, 0, False, True)
    except (OSError, WatchfilesRustInternalError) as error:
        cure = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or watch fewer folders"
        raise UnavailableError(f"this system does not watch files: {error}", cure=cure) from error
