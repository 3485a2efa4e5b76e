"""Named random streams: the same everywhere, another one for another name, never the strategy's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import seeding
from harness.seeding import numpy_stream, seed, torch_stream

parts = st.lists(st.integers() | st.text(max_size=4), max_size=3).map(tuple)


def test_seeds_do_not_change_by_accident() -> None:
    """Whoever has to change these literals changes every score."""
    assert seed("split", 0) == 3332283676546850710  # printf '["split", 0]' | sha256sum, the first 63 bits
    assert seed("initialisation", 4, "encoder") == 6073835800881898544


@given(st.text(max_size=4), parts, st.text(max_size=4), parts)
def test_streams_have_one_seed_just_if_name_and_parts_are_the_same(
    name: str, of_it: tuple[int | str, ...], other: str, of_other: tuple[int | str, ...]
) -> None:
    assert (seed(name, *of_it) == seed(other, *of_other)) == ((name, of_it) == (other, of_other))
    assert 0 <= seed(name, *of_it) < 2**63


def test_a_number_is_not_its_digits_and_parts_do_not_run_together() -> None:
    assert len({seed("a", 1), seed("a", "1"), seed("a1"), seed("a", 1, 1), seed("a", 11)}) == 5


def test_a_stream_starts_anew_each_time_it_is_asked_for() -> None:
    assert numpy_stream("order", 3).random(4).tolist() == numpy_stream("order", 3).random(4).tolist()
    one, two = (torch.rand(4, generator=torch_stream("order", 3)).tolist() for _ in range(2))
    assert one == two


def test_streams_leave_the_global_ones_alone() -> None:
    np.random.seed(0)  # noqa: NPY002 - the global stream is what this is about
    torch.manual_seed(0)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    numpy_stream("order", 0).random(3)
    torch.rand(3, generator=torch_stream("order", 0))
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before  # noqa: NPY002


def test_numpy_streams_need_no_torch() -> None:
    script = (
        "from harness.seeding import numpy_stream; numpy_stream('x', 1); import sys; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_streams_that_a_replicate_moves_are_named() -> None:
    assert seeding.MOVED == ("sample", "subset", "initialisation", "order")
