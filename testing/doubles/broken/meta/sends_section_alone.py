#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/3
"""The delegate of ADD gets what stands under `delegate`, with name and version, and nothing else."""

import json
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from meta import Meta


class Broken(Meta):
    def delegate_stdin(self):
        sent = dict(self.config)
        sent.pop("conformanceMark", None)
        return json.dumps({**sent, **self.config["delegate"]}).encode()


if __name__ == "__main__":
    Broken().main()
