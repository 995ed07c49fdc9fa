#!/usr/bin/env python3
# breaks: spec/1.1.0/parameters/3
# breaks: field/add/4
"""An argument of Kubernetes in CNI_ARGS fails the call, IgnoreUnknown or not (cni#560)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def check_environment(self):
        super().check_environment()
        for pair in filter(None, os.environ.get("CNI_ARGS", "").split(";")):
            if not pair.startswith("IgnoreUnknown="):
                raise CniError(4, f"CNI_ARGS: unknown argument {pair.partition('=')[0]}")


if __name__ == "__main__":
    Broken().main()
