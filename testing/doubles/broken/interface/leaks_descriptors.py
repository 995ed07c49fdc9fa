#!/usr/bin/env python3
# breaks: sec/leak/1
"""The delegate inherits every descriptor the plugin has, the container's namespace among them."""

import os
import subprocess
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def open_netns(self):
        fd = super().open_netns()
        os.set_inheritable(fd, True)
        return fd

    def execute(self, program, command):
        done = subprocess.run(
            [program],
            input=self.delegate_stdin(),
            stdout=subprocess.PIPE,
            close_fds=False,
            check=False,
            env=self.delegate_environment(command),
        )
        return done.returncode, done.stdout


if __name__ == "__main__":
    Broken().main()
