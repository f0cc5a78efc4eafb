"""The ladder of checkpoints: which of them a log keeps, so that any moment of its past is near one.

The newest are all kept: between two of them a fold takes a second or so. Of older ones one in a while is kept; whoever
asks for such a moment waits longer.
"""

from __future__ import annotations

from collections.abc import Sequence

NEAR = 256
"""The newest so many are kept; a node makes one each 100,000 events or each hour."""
STEP = 1_600_000
"""Of older ones one in so many events ..."""
FAR = 256
"""... and no more than so many."""


def over(seqs: Sequence[int]) -> list[int]:
    """Of checkpoints at these positions, in ascending order, those that are not kept."""
    older = seqs[:-NEAR]
    kept: list[int] = []
    for seq in older:
        if not kept or seq // STEP > kept[-1] // STEP:
            kept.append(seq)
    rungs = set(kept[-FAR:])
    return [seq for seq in older if seq not in rungs]
