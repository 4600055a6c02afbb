"""Where a served model is: an address, and the name that stands for it in the ids of targets."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import urllib.parse

from seatrial.errors import UsageError
from seatrial.text import shown

# Scheme -> protocol, whether it is encrypted, port where the address names none.
_SCHEMES: dict[str, tuple[str, bool, int | None]] = {
    "http": ("http", False, 80),
    "https": ("http", True, 443),
    "grpc": ("grpc", False, None),
    "grpcs": ("grpc", True, 443),
}
_WORD = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_HTTP_PATH = re.compile(f"(?P<prefix>(/{_WORD})*?)/v2/models/(?P<model>{_WORD})(/versions/(?P<version>{_WORD}))?/?")
_GRPC_PATH = re.compile(f"(?P<prefix>)/(?P<model>{_WORD})(/versions/(?P<version>{_WORD}))?/?")
_LIKE = "http://HOST:8000/v2/models/NAME, https://..., grpc://HOST:8001/NAME or grpcs://...; /versions/V may follow"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """name: in the ids of targets. url: without any credentials, which come from the environment
    (`engines.kserve.credentials`).
    """

    name: str
    url: str

    def __post_init__(self) -> None:
        """UsageError for what is no address, for one with a password or a query in it, and for what is no name."""
        _ = self.address
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{shown(self.name)!r} is no name of an endpoint: at most 64 letters, digits, '.', '_' and '-', first "
                "a letter or digit. Give --place NAME=URL."
            )

    @property
    def address(self) -> Address:
        """The parts of its URL."""
        return address_of(self.url)


@dataclasses.dataclass(frozen=True)
class Address:
    """protocol: `http` or `grpc`. prefix: of the path, before /v2. version: of the model, None for the server's
    choice.
    """

    protocol: str
    encrypted: bool
    host: str
    port: int
    prefix: str
    model: str
    version: str | None

    @property
    def is_here(self) -> bool:
        """True where no network lies between: nobody there could listen."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def authority(self) -> str:
        """`HOST:PORT`, an address of IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(text: str) -> Endpoint:
    """`[NAME=]URL`; without a name, it is made of host, port, model and version.

    >>> endpoint_of("http://models.lan:8000/v2/models/resnet20").name
    'models.lan-8000-resnet20'
    >>> endpoint_of("prod=grpcs://models.lan/resnet20/versions/3").address.version
    '3'
    """
    name, given, url = text.partition("=")
    if given and "/" not in name and ":" not in name:
        return Endpoint(name, url)
    found = address_of(text)
    parts = [found.host.replace(":", "."), str(found.port), found.model]
    made = "-".join(parts) + ("" if found.version is None else f"-v{found.version}")
    return Endpoint(made.lstrip("._-"), text)


def address_of(url: str) -> Address:
    """UsageError for anything else than an address of a model."""
    if not (url.isascii() and url.isprintable()) or " " in url:  # some of which urllib would leave out
        raise UsageError(f"--place: {_safe(url)!r} is no address of a served model. It looks like {_LIKE}.")
    try:
        parts = urllib.parse.urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise UsageError(f"--place: {_safe(url)!r} is no address of a served model: {shown(str(error))}.") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "--place: a user or a password stands in the address. It would be kept with the run: leave it out, and "
            "give a token by SEATRIAL_KSERVE_TOKEN or SEATRIAL_KSERVE_TOKEN_FILE."
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageError("--place: the address ends with the model or its version; leave out what follows ? or #.")
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"--place: {_safe(url)!r} is no address of a served model. It looks like {_LIKE}.")
    protocol, encrypted, usual = _SCHEMES[parts.scheme]
    found = (_HTTP_PATH if protocol == "http" else _GRPC_PATH).fullmatch(parts.path)
    if found is None or not _is_host(host) or not (port or usual):
        raise UsageError(f"--place: {_safe(url)!r} is no address of a served model. It looks like {_LIKE}.")
    return Address(protocol, encrypted, host, port or usual or 0, found["prefix"], found["model"], found["version"])


def _is_host(host: str) -> bool:
    if _HOST.fullmatch(host):
        return True
    try:
        return "%" not in host and ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _safe(url: str) -> str:
    """Without what may be a password."""
    return shown(re.sub(r"//[^/]*@", "//...@", url)[:200]).partition("?")[0]
