#!/usr/bin/env python3
# breaks: field/del/8
"""DEL undoes the changes and keeps a note of them."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def forget(self):
        content = super().forget()
        if content and self.command == "DEL":
            with self.locked_directory(make=True) as directory:
                self.write_file(
                    directory, f"{self.file}.old", {**content, "network": "", "netns": self.netns}
                )
        return content


if __name__ == "__main__":
    Broken().main()
