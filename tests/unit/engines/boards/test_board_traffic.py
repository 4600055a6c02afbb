"""What is carried between a run and a board, with the board's side played by hand, over two real pipes."""

import contextlib
import json
import os
import threading
import time

import numpy as np
import pytest

from seatrial.agent import frames
from seatrial.engines.boards.traffic import Traffic
from seatrial.errors import DeviceError


class Peer:
    """The board's side. It says only what the test does."""

    def __init__(self, silence_s=5.0):
        self.theirs, out = os.pipe()
        into, self.ours = os.pipe()
        self.handles = [self.theirs, out, into]
        self.turn, self.threads = threading.Lock(), []
        self.traffic = Traffic(into, out, silence_s, lambda: "ssh ended")

    def say(self, kind, content=b"", engine=0, lane=0):
        self.write(frames.head(kind, len(content), engine, lane) + content)

    def write(self, content):
        view = memoryview(content)
        while view:
            view = view[os.write(self.ours, view) :]

    def say_json(self, kind, engine=0, **fields):
        self.say(kind, json.dumps(fields).encode(), engine)

    def hear(self, *kinds):
        """The next frame, of these kinds where some are given."""
        while True:
            head = frames.head_of(self._exactly(frames.HEAD.size))
            content = self._exactly(head.length)
            if not kinds or head.kind in kinds:
                return head, content

    def _exactly(self, count):
        content = b""
        while len(content) < count:
            piece = os.read(self.theirs, count - len(content))
            assert piece
            content += piece
        return content

    def beside(self, call, *words):
        """In a thread, and in turn with other such calls of `say`; what has nobody to read it any more is dropped."""

        def run():
            with self.turn if call == self.say else contextlib.nullcontext(), contextlib.suppress(OSError):
                call(*words)

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)

    def hang_up(self):
        if self.ours >= 0:
            os.close(self.ours)
        self.ours = -1

    def close(self):
        self.traffic.stop("the test ended")
        assert self.traffic.join(5)
        for handle in self.handles:  # first those that others would wait for
            os.close(handle)
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        self.hang_up()


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def engine(peer):
    engine = peer.traffic.engine(2)
    yield engine
    engine.discard()


def read(near, count):
    content = b""
    near.settimeout(5)
    while len(content) < count:
        piece = near.recv(count - len(content))
        assert piece
        content += piece
    return content


def test_bytes_of_a_lane_travel_both_ways(peer, engine):
    engine.lanes[1].near.sendall(b"question")
    head, content = peer.hear(frames.DATA)
    assert (head.engine, head.lane, content) == (engine.number, 1, b"question")
    peer.say(frames.DATA, b"answer", engine.number, 1)
    assert read(engine.lanes[1].near, 6) == b"answer"


@pytest.mark.parametrize("cut", [1, 3, 9, 10, 14, 1000])
def test_frames_may_come_in_any_pieces(peer, engine, cut):
    words = b"".join(
        frames.head(kind, len(content), engine.number, lane) + content
        for kind, content, lane in [
            (frames.DATA, b"a" * 700, 0),
            (frames.BEAT, b"", 0),
            (frames.DATA, b"", 0),
            (frames.DATA, b"b" * 7, 1),
            (frames.ENDED, b'{"status": 7}', 0),
        ]
    )
    for start in range(0, len(words), cut):
        peer.write(words[start : start + cut])
    assert read(engine.lanes[0].near, 700) == b"a" * 700
    assert read(engine.lanes[1].near, 7) == b"b" * 7
    assert engine.over.wait(5)
    assert engine.end.status == 7
    assert engine.lanes[0].near.recv(1) == b""


def test_no_more_than_the_window_is_sent_of_a_lane_that_nobody_takes_and_the_others_go_on(peer, engine):
    peer.beside(engine.lanes[0].near.sendall, bytes(2 * frames.WINDOW))
    sent = 0
    while sent < frames.WINDOW:
        head, content = peer.hear(frames.DATA)
        assert head.lane == 0
        sent += len(content)
    assert sent == frames.WINDOW
    engine.lanes[1].near.sendall(b"still")
    head, content = peer.hear(frames.DATA)
    assert (head.lane, content) == (1, b"still")
    peer.say(frames.TAKEN, frames.COUNT.pack(1000), engine.number, 0)
    head, content = peer.hear(frames.DATA)
    assert (head.lane, len(content)) == (0, 1000)
    peer.say(frames.TAKEN, frames.COUNT.pack(frames.WINDOW), engine.number, 0)
    while sent + 1000 < 2 * frames.WINDOW:
        sent += len(peer.hear(frames.DATA)[1])


def test_a_board_is_told_what_was_taken_and_may_not_send_more(peer, engine):
    quarter = bytes(1 << 16)
    for _ in range(frames.WINDOW // len(quarter)):
        peer.say(frames.DATA, quarter, engine.number, 0)
    peer.say(frames.DATA, b"other", engine.number, 1)
    assert read(engine.lanes[1].near, 5) == b"other"  # lane 0 is read by nobody
    read(engine.lanes[0].near, frames.WINDOW)
    taken = 0
    while taken < frames.WINDOW - frames.WINDOW // 4:
        head, content = peer.hear(frames.TAKEN)
        assert (head.engine, head.lane) == (engine.number, 0)
        taken += frames.COUNT.unpack(content)[0]

    for _ in range(2 * frames.WINDOW // len(quarter)):
        peer.beside(peer.say, frames.DATA, quarter, engine.number, 0)
    assert peer.traffic.join(5)
    assert "nobody has taken" in peer.traffic.lost


def test_lanes_and_files_take_turns(peer, engine):
    content = np.random.default_rng(0).bytes(3 * frames.MOST)
    sent = threading.Event()
    peer.traffic.ask("blob", lambda answer: (answer and peer.traffic.send_file(memoryview(content), 5), sent.set()))
    peer.hear(frames.ASK)
    for lane in engine.lanes:
        peer.beside(lane.near.sendall, bytes(frames.MOST * 5))
    time.sleep(0.2)  # until the pipe is full
    peer.say_json(frames.ANSWER, id=1, more=True)
    assert sent.wait(5)
    order, blob = [], b""
    while len(blob) < len(content):
        head, part = peer.hear(frames.DATA, frames.BLOB)
        order.append((head.kind, head.lane))
        blob += part if head.kind == frames.BLOB else b""
    assert blob == content
    between = order[order.index((frames.BLOB, 5)) :]
    assert {(frames.DATA, 0), (frames.DATA, 1)} < set(between)


def test_questions_are_answered_by_number_and_in_parts(peer):
    first, second = [], []
    peer.traffic.ask("lease", first.append, wait_s=1)
    done = threading.Event()
    peer.traffic.ask("survey", lambda answer: (second.append(answer), done.set()))
    asked = [json.loads(peer.hear(frames.ASK)[1]) for _ in range(2)]
    assert [(one["id"], one["ask"]) for one in asked] == [(1, "lease"), (2, "survey")]
    peer.say_json(frames.ANSWER, id=1, more=True, note="waits")
    peer.say_json(frames.ANSWER, id=1, held=True)
    peer.say_json(frames.ANSWER, id=2)
    assert done.wait(5)
    assert first == [{"more": True, "note": "waits"}, {"held": True}]
    assert second == [{}]


def test_the_board_hears_beats_and_its_silence_ends_the_traffic():
    peer = Peer(silence_s=0.4)
    engine = peer.traffic.engine(1)
    answers = []
    peer.traffic.ask("lease", answers.append)
    began = time.monotonic()
    while time.monotonic() - began < 1:
        peer.say(frames.BEAT)
        peer.hear(frames.BEAT)
    assert peer.traffic.lost is None
    assert peer.traffic.join(2)
    assert peer.traffic.lost == "no word came from it for 0.4 s"
    assert (engine.end.outcome, engine.end.says) == ("cut off", f"was cut off: {peer.traffic.lost}")
    assert answers == [None]
    with pytest.raises(DeviceError, match="no word came"):
        peer.traffic.ask("lease", answers.append)
    with pytest.raises(DeviceError, match="no word came"):
        peer.traffic.engine(1)
    engine.discard()
    peer.close()


def test_the_last_words_of_a_board_are_told(peer):
    peer.say_json(frames.ENDED, says="the disk \x1b[2J is full")
    peer.hang_up()
    assert peer.traffic.join(5)
    assert peer.traffic.lost == "the disk ?[2J is full"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (b"\xff" * 100, "a frame of kind 255"),
        (frames.HEAD.pack(frames.DATA, 1, 0, frames.MOST + 1), f"{frames.MOST + 1} bytes"),
        (frames.head(frames.ASK, 0), "which a board does not send"),
        (frames.head(frames.CLOSE, 0), "which a board does not send"),
        (frames.head(frames.HELLO, 2) + b"{}", "a second hello"),
        (frames.head(frames.ANSWER, 2) + b"{}", "an answer that nobody waits for"),
        (frames.head(frames.ANSWER, 11) + b'{"id":[[]]}', "an answer that nobody waits for"),
        (frames.head(frames.ANSWER, 9) + b'{"id": 77', "Expecting"),
        (frames.head(frames.ANSWER, 9) + b'{"id":77}', "an answer that nobody waits for"),
        (frames.head(frames.ANSWER, 2) + b"[]", "no object"),
        (frames.head(frames.ANSWER, 200000) + b"[" * 200000, "nested too deep"),
        (frames.head(frames.ENDED, 1, 1) + b"\xff", "can't decode"),
        (frames.head(frames.TAKEN, 3, 1) + b"123", "no count"),
        (frames.head(frames.DATA, 3, 1, 9) + b"123", "lane 9 of 2"),
    ],
)
def test_what_no_board_sends_ends_the_traffic(peer, engine, words, says):
    peer.write(words)
    assert peer.traffic.join(5)
    assert says in peer.traffic.lost
    assert engine.end.outcome == "cut off"


def test_frames_of_engines_that_are_not_there_are_dropped(peer, engine):
    for kind in (frames.DATA, frames.OUTPUT, frames.ENDED, frames.TAKEN):
        peer.say(kind, b"{} {"[:2] if kind == frames.ENDED else b"1234", 99, 7)
    peer.say(frames.DATA, b"x", engine.number, 0)
    assert read(engine.lanes[0].near, 1) == b"x"


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"outcome": None, "says": None, "status": -11}, (-11, None, None)),
        ({"outcome": "out of memory", "says": "took\x07 it", "status": 9}, (9, "took? it", "out of memory")),
        ({"outcome": ["x"], "says": {"a": 1}, "status": 1e400}, (None, None, None)),
        ({"outcome": "fine", "says": "x" * 9999, "status": 1 << 80}, (None, "x" * 2000, None)),
    ],
)
def test_how_an_engine_ended_is_taken_as_far_as_it_makes_sense(peer, engine, fields, end):
    peer.say_json(frames.ENDED, engine.number, **fields)
    assert engine.over.wait(5)
    assert (engine.end.status, engine.end.says, engine.end.outcome) == end


def test_a_board_that_hangs_up_is_told(peer, engine):
    peer.say(frames.DATA, b"x", engine.number, 0)
    peer.hang_up()
    assert peer.traffic.join(5)
    assert peer.traffic.lost == "ssh ended"
    assert engine.end.says == "was cut off: ssh ended"


def test_output_that_nobody_reads_holds_nothing_up(peer, engine):
    for _ in range(100):
        peer.say(frames.OUTPUT, bytes(1 << 16), engine.number)
    peer.say(frames.DATA, b"x", engine.number, 0)
    assert read(engine.lanes[0].near, 1) == b"x"
    assert os.read(engine.output, 4) == bytes(4)
