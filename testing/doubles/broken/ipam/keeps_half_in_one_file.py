#!/usr/bin/env python3
# breaks: field/add/1
"""As `keeps_half_of_its_addresses.py`, with one file for all addresses of the network."""

from keeps_half_of_its_addresses import Broken


class InOneFile(Broken):
    def reservations(self, directory):
        return {} if directory is None else self.read_file(directory, "pool") or {}

    def reserve(self, directory, address):
        self.write_file(directory, "pool", {**self.reservations(directory), address: self.owner})

    def release(self, directory, address):
        rows = self.reservations(directory)
        rows.pop(address, None)
        self.write_file(directory, "pool", rows)


if __name__ == "__main__":
    InOneFile().main()
