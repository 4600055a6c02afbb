"""How ssh is called, and what is made of what it says."""

import pytest

from seatrial.engines.boards import Board
from seatrial.engines.boards.ssh import UnreachableError, by_hand, command, failure
from seatrial.errors import UnsupportedError


def test_the_users_own_arguments_stand_before_what_is_otherwise_and_after_what_must_be():
    words = command(Board("pi5", alias="jet@10.0.0.7", ssh=("-F", "file"), compress=True), "exec sh -c 'x'")
    assert words[:2] == ["ssh", "-T"]
    assert words[-3:] == ["--", "jet@10.0.0.7", "exec sh -c 'x'"]
    assert words.index("BatchMode=yes") < words.index("-F") < words.index("ConnectTimeout=15")
    assert "-C" in words
    assert not any("HostKey" in word for word in words)


def test_what_is_typed_by_hand_is_quoted():
    assert by_hand(Board("pi5", ssh=("-F", "my file"))) == "ssh -F 'my file' -- pi5"


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            UnsupportedError,
            "anew",
        ),
        (
            "No ED25519 host key is known for pi5\nHost key verification failed.",
            UnsupportedError,
            "by hand: ssh -- pi5",
        ),
        ("pi@pi5: Permission denied (publickey,password).", UnsupportedError, "was not let in"),
        ("ssh: Could not resolve hostname pi5: Name or service not known", UnreachableError, "no such host"),
        ("ssh: connect to host pi5 port 22: Connection refused", UnreachableError, "refuses connections"),
        ("ssh: connect to host pi5 port 22: Connection timed out", UnreachableError, "is it on"),
        ("ssh: connect to host pi5 port 22: No route to host", UnreachableError, "is it on"),
        ("kex_exchange_identification: Connection closed by remote host", UnreachableError, "exit status 255"),
        ("", UnreachableError, "ssh said nothing"),
    ],
)
def test_what_ssh_says_is_told_with_what_to_do(said, kind, says):
    error = failure(Board("pi5"), 255, said)
    assert type(error) is kind
    assert says in str(error)
    assert str(error).startswith("Board pi5: ")
    assert all(line in str(error) for line in said.splitlines())
