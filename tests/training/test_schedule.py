"""When what happens: chunks and updates against a reference that looks at every single step."""

import itertools
from dataclasses import replace

import pytest

from imitax.algorithm import Schedule
from imitax.config import Training
from imitax.training.schedule import Timeline


def no_turn(state, buffers, cfg, key):
    return state, {}


def timeline(steps, chunk=4, turns=(), rollouts=None, **schedule):
    options = Training(steps=steps, chunk=chunk, eval_every=3 * chunk, checkpoint_every=5 * chunk)
    return Timeline(options, Schedule(turns=tuple((every, no_turn) for every in turns), **schedule), rollouts)


CASES = {
    "chunks alone": timeline(40),
    "a last chunk that is short": timeline(42),
    "a run shorter than a chunk": timeline(3),
    "warm-up within a chunk": timeline(40, warmup_steps=10),
    "warm-up at the end of a chunk": timeline(40, warmup_steps=12),
    "turns of two periods": timeline(60, turns=(6, 10)),
    "rollouts": timeline(60, rollouts=7),
    "refits": timeline(60, refit_every=9),
    "everything": timeline(200, 8, (6, 10), 7, refit_every=9, warmup_steps=11),
    "periods that outlast the run": timeline(20, turns=(1000,), rollouts=500, refit_every=300),
    "chunks of one step": timeline(9, 1, (2,)),
}


def reference(t):
    """The same, from the ends that each single step is asked for."""

    def cut(end):
        periods = [t.options.chunk, *(every for every, _ in t.schedule.turns)]
        periods += [every for every in (t.rollouts_every, t.schedule.refit_every) if every is not None]
        ends_a_period = any(end % every == 0 for every in periods)
        return ends_a_period or end in (t.schedule.warmup_steps, t.options.steps)

    ends = [0, *(end for end in range(1, t.options.steps + 1) if cut(end))]
    return [(first, last - first) for first, last in itertools.pairwise(ends)]


@pytest.mark.parametrize("name", CASES)
def test_chunks_are_those_of_the_reference(name):
    assert list(CASES[name].chunks(0)) == reference(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_goes_on_with_the_same_chunks(name):
    t = CASES[name]
    whole = list(t.chunks(0))
    for start, _ in whole:
        if t.saves(start):
            assert list(t.chunks(start)) == [chunk for chunk in whole if chunk[0] >= start]
    assert list(t.chunks(t.options.steps)) == []


def test_chunks_by_hand():
    t = timeline(20, 8, (6,), warmup_steps=3)
    assert list(t.chunks(0)) == [(0, 3), (3, 3), (6, 2), (8, 4), (12, 4), (16, 2), (18, 2)]
    assert list(t.chunks(8)) == [(8, 4), (12, 4), (16, 2), (18, 2)]


def test_comparisons_wait_for_the_end_of_a_chunk():
    """Every 10, 16 and 3 steps, in chunks of 8: no chunk is shorter for them, and all their periods end chunks."""
    t = timeline(50, 8)
    compared = replace(t, schedule=replace(t.schedule, comparisons=((10, no_turn), (16, no_turn), (3, no_turn))))
    assert list(compared.chunks(0)) == list(t.chunks(0))
    assert compared.turns() == ((16, no_turn), (16, no_turn), (8, no_turn))


@pytest.mark.parametrize(("per_step", "per_update"), [(1, 1), (3, 1), (1, 3), (2, 5)])
def test_updates_are_numbered_without_gaps_however_steps_are_cut(per_step, per_update):
    t = timeline(60, turns=(7,), updates_per_step=per_step, steps_per_update=per_update)
    numbers = []
    for step, count in t.chunks(0):
        first, updates = t.updates(step, count)
        numbers += range(first, first + updates)
    assert numbers == list(range(60 * per_step // per_update))


def test_what_happens_after_a_step():
    t = timeline(42, warmup_steps=10)  # evaluations every 12 steps, checkpoints every 20
    assert [step for step in range(1, 43) if t.evaluates(step)] == [12, 24, 36, 42]
    assert [step for step in range(1, 43) if t.saves(step)] == [20, 40, 42]
    assert [step for step in range(1, 43) if t.logs(step)] == [12, 20, 24, 36, 40, 42]
    assert [t.learns(step) for step in (0, 9, 10, 11)] == [False, False, True, True]
    long = Timeline(Training(steps=5000, chunk=50, eval_every=5000, checkpoint_every=5000), Schedule())
    assert [step for step in range(1, 5001) if long.logs(step)] == [1000, 2000, 3000, 4000, 5000]
