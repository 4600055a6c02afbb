"""Every image of every pass is dealt once, to whoever has time, in slices that fit."""

import random

import pytest

from seatrial.harness.run.executors.dealing import AHEAD, SLICE_S, Dealer, Slice


def spread(dealer, workers, seconds, rng=None, dies=lambda worker, piece: False):
    """(worker, slice) in the order in which they are answered, each worker asked again once it has answered."""
    clock, given, came = dict.fromkeys(workers, 0.0), {}, []
    while not dealer.finished:
        for worker in sorted(workers, key=lambda one: clock[one]):
            if worker not in given and (piece := dealer.next(worker)) is not None:
                given[worker] = piece
        worker = min(given, key=lambda one: clock[one] + seconds(one, given[one]))
        piece = given.pop(worker)
        if dies(worker, piece):
            dealer.returned(piece)
            continue
        took = seconds(worker, piece)
        clock[worker] += took
        dealer.answered(worker, piece, took)
        came.append((worker, piece))
    assert dealer.next(workers[0]) is None
    return came, clock


def covered(pieces, passes, images):
    found = [sorted((one.start, one.stop) for one in pieces if one.number == number) for number in range(passes)]
    for spans in found:
        assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
        assert spans[-1][1] == images
    return True


@pytest.mark.parametrize("seed", range(20))
def test_every_image_of_every_pass_is_answered_once_also_where_workers_die(seed):
    rng = random.Random(seed)
    images, batch, workers = rng.randint(1, 900), rng.choice([1, 8, 32]), list(range(rng.randint(1, 7)))
    weights = [rng.randint(1, 20) for _ in range(rng.randint(1, 9))]
    speed = {worker: rng.uniform(0.1, 3) for worker in workers}
    came, _ = spread(
        Dealer(weights, images, workers, batch),
        workers,
        lambda worker, piece: len(piece) * weights[piece.number] / speed[worker],
        dies=lambda worker, piece: piece.tries < 2 and rng.random() < 0.2,
    )
    pieces = [piece for _, piece in came]
    assert covered(pieces, len(weights), images)
    assert all(one.start % batch == 0 for one in pieces), "what is asked together is what a local run asks together"


def test_workers_of_one_speed_keep_to_their_own_images_and_end_together():
    weights, workers = [30] * 40, [0, 1, 2, 3]
    came, clock = spread(Dealer(weights, 3200, workers, 32), workers, lambda worker, piece: len(piece) * 0.03)
    seen = {worker: {(one.start, one.stop) for by, one in came if by == worker} for worker in workers}
    own = [sum(stop - start for start, stop in seen[worker] if 800 * worker <= start < 800 * worker + 800)
           for worker in workers]  # fmt: skip
    every = [sum(stop - start for start, stop in seen[worker]) for worker in workers]
    assert sum(own) > 0.9 * sum(every)
    assert max(clock.values()) - min(clock.values()) < 0.02 * max(clock.values())


def test_a_slow_worker_holds_nobody_up():
    weights, workers, speed = [10] * 20, [0, 1], {0: 1.0, 1: 0.2}
    _, clock = spread(Dealer(weights, 3200, workers, 32), workers, lambda by, one: len(one) * 0.01 / speed[by])
    best = 20 * 3200 * 0.01 / 1.2
    assert max(clock.values()) < 1.05 * best


def test_slices_take_the_seconds_that_they_are_to_take_whatever_a_pass_costs():
    weights, workers = [1, 100, 10, 1, 100] * 4, [0, 1]
    dealer = Dealer(weights, 20000, workers, 8)
    took = {}

    def seconds(worker, piece):
        took[piece.number, piece.start] = len(piece) * weights[piece.number] * 1e-3
        return took[piece.number, piece.start]

    spread(dealer, workers, seconds)
    assert max(took.values()) <= 1.05 * SLICE_S
    large = [one for one in took.values() if one > SLICE_S / 2]
    assert sum(large) > 0.8 * sum(took.values())


def test_passes_are_finished_in_order_so_that_few_wait_in_memory():
    weights, workers = [5] * 30, [0, 1, 2]
    dealer, open_passes, most = Dealer(weights, 960, workers, 32), set(), 0
    while not dealer.finished:
        for worker in workers:
            piece = dealer.next(worker)
            if piece is not None:
                open_passes.add(piece.number)
                most = max(most, max(open_passes) - min(open_passes))
                dealer.answered(worker, piece, 1e-3)
        first = dealer._window().start
        open_passes = {number for number in open_passes if number >= first} or {first}
    assert most <= AHEAD


def test_a_worker_that_never_comes_is_done_without():
    came, _ = spread(Dealer([1, 1], 320, [0, 1, 2, 3], 32), [2], lambda worker, piece: 1.0)
    assert covered([piece for _, piece in came], 2, 320)


def test_a_worker_that_joins_later_helps_the_others():
    dealer = Dealer([1] * 3, 3200, [0, 1], 32)
    came, clock = spread(dealer, [0, 1, 7], lambda worker, piece: len(piece) * 0.05)
    assert covered([piece for _, piece in came], 3, 3200)
    assert {worker for worker, _ in came} == {0, 1, 7}
    assert max(clock.values()) < 1.1 * 3 * 3200 * 0.05 / 3


def test_what_is_returned_is_dealt_first_and_counted():
    dealer = Dealer([1], 64, [0, 1], 32)
    piece = dealer.next(0)
    dealer.returned(piece)
    assert dealer.next(1) == Slice(0, piece.start, piece.stop, tries=1)
