#!/usr/bin/env python3
"""A correct meta plugin: the plugin `delegate.type` does all the work, with the same request."""

from __future__ import annotations

import os

from _cni import EXISTS, INVALID, CniError, Json
from _delegating import Delegating
from _results import as_newest, in_version


class Meta(Delegating):
    section = "delegate"

    def validate(self) -> None:
        if not self.delegate_type():
            raise CniError(INVALID, "invalid network config: delegate is missing")

    def add(self) -> Json | None:
        netns = self.open_netns()
        try:
            self.refuse_taken_name(netns)
            return self.result(self.delegate_add())
        except BaseException:
            self.roll_back()
            raise
        finally:
            os.close(netns)

    def refuse_taken_name(self, netns: int) -> None:
        """Before the delegate is called: the DEL after its failure would undo an older ADD."""
        if self.ifname in self.links(netns):
            raise CniError(EXISTS, f"an interface {self.ifname} exists already in the container")

    def result(self, given: Json) -> Json:
        return in_version(as_newest(given), self.cni_version)

    def delete(self) -> None:
        self.delegate_delete()

    def check(self) -> None:
        self.previous()
        os.close(self.open_netns())
        self.delegate_check()

    def gc(self) -> None:
        self.delegate_gc()

    def status(self) -> None:
        self.need("ip", "nsenter")
        self.delegate_status()


if __name__ == "__main__":
    Meta().main()
