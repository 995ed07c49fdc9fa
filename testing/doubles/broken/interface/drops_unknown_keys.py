#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/3
"""The delegate gets what is left of the configuration after it went through a struct."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import VALID_ATTACHMENTS

from interface import Interface


class Broken(Interface):
    def delegate_stdin(self):
        known = (
            "cniVersion",
            "name",
            "type",
            "ipam",
            "dns",
            "prevResult",
            "runtimeConfig",
            VALID_ATTACHMENTS,
        )
        return json.dumps({key: self.config[key] for key in known if key in self.config}).encode()


if __name__ == "__main__":
    Broken().main()
