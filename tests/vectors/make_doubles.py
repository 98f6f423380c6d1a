#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes doubles.txt: bits of doubles and Python's repr of them, edges first, then a fixed random choice."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Iterator

EDGES = [0.0, -0.0, 1.0, 5.0, 0.1, 0.5, 1.5, 1e-4, 1e-5, 1.5e-5, 1e15, 999999999999999.0, 1e16,
         9999999999999998.0, 123456789012345680.0, 1e22, 1e23, 5e-324, 2.2250738585072014e-308,
         2.225073858507201e-308, 1.7976931348623157e308, 9007199254740993.0, 0.30000000000000004]


def doubles() -> Iterator[float]:
    """All of them."""
    choice = random.Random(1)
    yield from EDGES
    for exponent in range(-1074, 1024, 6):  # the neighbours of powers of two differ in distance
        yield 2.0 ** exponent
    for _ in range(400):  # what tasks return
        yield round(choice.uniform(-1000, 1000), choice.randint(0, 8))
    for _ in range(400):
        yield choice.random() * 10.0 ** choice.randint(-10, 20)
    while True:  # any bits
        number = struct.unpack("<d", struct.pack("<Q", choice.getrandbits(64)))[0]
        if number == number and abs(number) != float("inf"):
            yield number


def main() -> None:
    """Write the file beside this script."""
    numbers = doubles()
    lines = [f"{struct.unpack('<Q', struct.pack('<d', number))[0]:016x} {number!r}\n"
             for number, _ in zip(numbers, range(1500))]
    (Path(__file__).parent / "doubles.txt").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
