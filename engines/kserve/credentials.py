"""What an endpoint wants to know of whoever asks: from environment and files, sent nowhere else, told to nobody.

Variables: SEATRIAL_KSERVE_TOKEN, or SEATRIAL_KSERVE_TOKEN_FILE, which is read for each query; SEATRIAL_KSERVE_CA_FILE;
SEATRIAL_KSERVE_CERT_FILE with SEATRIAL_KSERVE_KEY_FILE. With `_NAME` behind them, in capitals, they are of the
endpoint of that name alone.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.places.environment import CREDENTIALS as PREFIX
from seatrial.engines.places.environment import without_credentials
from seatrial.errors import UnsupportedError

# The endpoint of a process that asks one.
ENDPOINT = "SEATRIAL_ENDPOINT"
_TOKENS = ("TOKEN", "TOKEN_FILE")
_FILES = ("CA_FILE", "CERT_FILE", "KEY_FILE")
_MOST = 1 << 16
_TOKEN = re.compile(r"[!-~]+")


@dataclasses.dataclass(frozen=True)
class Credentials:
    """ca: certificates in PEM of who may vouch for the server, None for the system's. certificate, key: of this
    side.
    """

    token: str | None = dataclasses.field(default=None, repr=False)
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def bearer(self) -> str | None:
        """The token, as it is now; UnsupportedError for a file that holds none."""
        if self.token_file is None:
            return self.token
        content = read(self.token_file, "TOKEN_FILE").decode("utf-8", "replace").strip()
        if not _TOKEN.fullmatch(content):
            raise UnsupportedError(f"{PREFIX}TOKEN_FILE {self.token_file} holds no token: one word of ASCII.")
        return content

    def redacted(self, text: str) -> str:
        """What a server says, without the token: it may send back what it got."""
        token = self.bearer()
        return text if token is None else text.replace(token, "...")


def credentials_here(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Of this process; UnsupportedError for a token that is none, and a certificate without its key."""

    def path(name: str) -> Path | None:
        return Path(environment[PREFIX + name]) if environment.get(PREFIX + name) else None

    token = environment.get(f"{PREFIX}TOKEN") or None
    if token is not None and not _TOKEN.fullmatch(token):
        raise UnsupportedError(f"{PREFIX}TOKEN is no token: it is one word of ASCII.")
    found = Credentials(token, path("TOKEN_FILE"), path("CA_FILE"), path("CERT_FILE"), path("KEY_FILE"))
    if found.key is not None and found.certificate is None:
        raise UnsupportedError(f"{PREFIX}KEY_FILE needs {PREFIX}CERT_FILE.")
    return found


def environment_for(
    endpoint: Endpoint, others: Sequence[Endpoint], environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The variables of a process that asks that endpoint: without those of all others.

    UnsupportedError where a token would go to several hosts, or could be read on its way.
    """
    found = {**without_credentials(environment), ENDPOINT: endpoint.url}
    suffix = re.sub("[^A-Za-z0-9]", "_", endpoint.name).upper()
    own = [name for name in _TOKENS if environment.get(f"{PREFIX}{name}_{suffix}")]
    if own:
        found |= {PREFIX + name: environment[f"{PREFIX}{name}_{suffix}"] for name in own}
    else:
        found |= {PREFIX + name: environment[PREFIX + name] for name in _TOKENS if environment.get(PREFIX + name)}
        if any(PREFIX + name in found for name in _TOKENS) and any(_apart(endpoint, other) for other in others):
            raise UnsupportedError(
                f"{PREFIX}TOKEN does not say which of several hosts it is for. Give {PREFIX}TOKEN_{suffix} for "
                f"endpoint {endpoint.name}, and likewise for the others."
            )
    address = endpoint.address
    if any(PREFIX + name in found for name in _TOKENS) and not (address.encrypted or address.is_here):
        raise UnsupportedError(
            f"Endpoint {endpoint.name} is not encrypted, and a token would be read on its way. Ask over https:// or "
            f"grpcs://, or through a forwarded port of this machine."
        )
    for name in _FILES:
        value = environment.get(f"{PREFIX}{name}_{suffix}") or environment.get(PREFIX + name)
        if value:
            found[PREFIX + name] = value
    return found


def read(path: Path, variable: str) -> bytes:
    """A file of credentials; UnsupportedError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST + 1)
    except OSError as error:
        raise UnsupportedError(f"{PREFIX}{variable} {path} cannot be read: {error.strerror}.") from error
    if len(content) > _MOST:
        raise UnsupportedError(f"{PREFIX}{variable} {path} is larger than any such file.")
    return content


def _apart(one: Endpoint, other: Endpoint) -> bool:
    return one.address.host != other.address.host
