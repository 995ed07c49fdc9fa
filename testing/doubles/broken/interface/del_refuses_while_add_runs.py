#!/usr/bin/env python3
# breaks: field/del/9
"""DEL is an error while ADD of the same attachment runs, and does not say to try again."""

import contextlib
import fcntl
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import BAD_STATE, CniError

from interface import Interface


class Broken(Interface):
    @contextlib.contextmanager
    def alone(self):
        path = f"/run/{self.host_end}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CniError(BAD_STATE, "another call for this attachment is running") from None
        try:
            yield
        finally:
            os.close(fd)

    def add(self):
        with self.alone():
            return super().add()

    def delete(self):
        with self.alone():
            super().delete()


if __name__ == "__main__":
    Broken().main()
