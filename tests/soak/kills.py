"""Kill the real runner by the hundred, resume it, and let a simulator that outlives it judge.

python tests/soak/kills.py --kills 200     until so many processes were killed
python tests/soak/kills.py --seed 17       that ordeal alone, with what was found
"""

import argparse
import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ordeal import FAKETIME, WORLDS, Findings, ordeal, undisturbed

AT_ONCE = 4
"""Ordeals that go on side by side; most of the time they wait."""


def trials(kills: int, first: int) -> Iterator[tuple[int, Findings]]:
    """Ordeals by seed until so many processes were killed."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(undisturbed, range(WORLDS)))
        seeds, done = itertools.count(first), 0
        while done < kills:
            batch = list(itertools.islice(seeds, min(8 * AT_ONCE, kills - done)))
            for seed, found in zip(batch, pool.map(ordeal, batch), strict=True):
                done += found.kills
                yield seed, found


def main(arguments: Sequence[str]) -> int:
    """Go through many ordeals, or one; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this seed")
    options = parser.parse_args(arguments)
    one = options.seed is not None
    if FAKETIME is None:
        sys.stdout.write("kills: clocks are not set, since faketime is not installed\n")
        if os.environ.get("REQUIRE_PROGRAMS"):
            return 1
    total = Counter[str]()
    for seed, found in [(options.seed, ordeal(options.seed))] if one else trials(options.kills, options.first):
        for line in found.bad:
            sys.stdout.write(f"seed {seed}: {line}\n")
        if found.bad:
            sys.stdout.write(f"  replay: {sys.executable} tests/soak/kills.py --seed {seed}\n")
        total += Counter(
            runs=1, kills=found.kills, set_clocks=found.steps, lost=len(found.lost), doubled=len(found.doubled),
            over_limit=len(found.over_limit), leaked=len(found.leaked),
        )  # fmt: skip
    names = ("runs", "kills", "set_clocks", "lost", "doubled", "over_limit", "leaked")
    sys.stdout.write("kills: " + ", ".join(f"{name.replace('_', ' ')} {total[name]}" for name in names) + "\n")
    return 1 if any(total[name] for name in names[3:]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
