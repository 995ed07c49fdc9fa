"""The numbers of a token bucket: those of the Go plugin, where they fit."""

from __future__ import annotations

import pytest

from cnisdk import RateLimit, errors


@pytest.mark.parametrize(
    ("rate", "burst", "numbers"),
    [
        (8, 8, (1, 1, 15_625_000)),
        (16, 8, (2, 1, 7_812_500)),
        (8_000, 80, (1_000, 35, 156_250)),
        (8_000_000, 800_000, (1_000_000, 125_000, 1_562_500)),
        (1_234_567, 7_654_321, (154_320, 960_648, 96_875_593)),
        # containerd's burst: limit is rate * 25 ms + burst
        (100_000_000, 2**32 - 1, (12_500_000, 537_183_411, 671_088_625)),
        # 550,000 seconds at the rate: what fits into 32 bits
        (8_000, 2**32 - 1, (1_000, 536_870_936, 2**32 - 1)),
        # a limit that does not fit either
        (10**12, 8 * (2**32 - 2), (125 * 10**9, 2**32 - 1, 536_859)),
    ],
)
def test_numbers(rate: int, burst: int, numbers: tuple[int, int, int]) -> None:
    """T: rates 8/16 bit/s are 1 and 2, limit 1; rate 1000, limit 35. W-BW-3: cut, not wrapped."""
    qdisc = RateLimit(rate, burst).qdisc

    assert (qdisc.rate, qdisc.limit, qdisc.buffer) == numbers
    assert qdisc.name == "tbf 1:"


@pytest.mark.parametrize("rate", [0, 7])
def test_less_than_a_byte_a_second(rate: int) -> None:
    with pytest.raises(errors.InvalidConfig, match=f"{rate} bit/s"):
        _ = RateLimit(rate, 80).qdisc
