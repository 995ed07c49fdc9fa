"""``python -m cnisdk`` is the command ``cnisdk``."""

from __future__ import annotations

from cnisdk.cli import main


main()
