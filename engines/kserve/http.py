"""The protocol over HTTP: https://github.com/kserve/open-inference-protocol, and Triton's extensions of binary data,
statistics and configuration (https://github.com/triton-inference-server/server/tree/main/docs/protocol).

The standard library's client: nothing is followed, unpacked, or read beyond what an answer may have.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.kserve.client import MOST_WORDS, QUERY_S, Answer, Client, Query, chosen, scores_of
from seatrial.engines.kserve.credentials import Credentials
from seatrial.engines.kserve.described import parsed
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.kserve.fit import SCORES
from seatrial.engines.kserve.retries import UnavailableError
from seatrial.errors import DeviceError, UnsupportedError

_LOG = logging.getLogger("seatrial")
_CONNECT_S = 10.0
# Servers close what is idle: 5 s is a usual time.
_IDLE_S = 2.0
_CHUNK = 1 << 20
_MOST_REFUSAL = 1 << 14
_LATER = (429, 502, 503, 504)
# What servers without the extension answer to binary data.
_REFUSED = (400, 406, 415, 422, 500, 501)
# What those without another extension answer to its address.
_NO_SUCH = (400, 404, 405, 501)
_HEAD = "Inference-Header-Content-Length"


class RefusedError(DeviceError):
    """An answer with another status than 200; `status`."""

    def __init__(self, says: str, status: int) -> None:
        super().__init__(says)
        self.status = status


class HttpClient(Client):
    """A connection for each thread that asks. Tensors travel as bytes, or as JSON to a server that refuses them, which
    is told once.
    """

    def __init__(self, endpoint: Endpoint, credentials: Credentials) -> None:
        super().__init__(endpoint, credentials)
        self.data = "binary"
        self._settled = False
        self._tls = tls_of(credentials) if self.address.encrypted else None
        self._here = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        address = self.address
        self._server = f"{address.prefix}/v2"
        self._model = f"{self._server}/models/{address.model}" + (
            "" if address.version is None else f"/versions/{address.version}"
        )

    def check_ready(self) -> None:
        """As `Client.check_ready`."""
        try:
            self._ask("GET", f"{self._model}/ready", MOST_WORDS)
        except RefusedError as error:
            raise RefusedError(f"{self.where} is not ready: {error}", error.status) from error

    def described(self) -> tuple[Any, Any, Any]:
        """As `Client.described`."""
        return self._words(self._server), self._words(self._model), self._extension(f"{self._model}/config")

    def statistics(self) -> Any:
        """As `Client.statistics`."""
        return self._extension(f"{self._model}/stats")

    def infer(self, query: Query) -> Answer:
        """As `Client.infer`."""
        if self.data == "json":
            return self._infer_json(query)
        try:
            answer = self._infer_binary(query)
        except RefusedError as error:
            if self._settled or error.status not in _REFUSED:
                raise
            refused = error
        else:
            self._settled = True  # what fails from now on has another reason
            return answer
        try:
            answer = self._infer_json(query)
        except RefusedError as error:
            raise DeviceError(f"{refused} Asked with JSON: {error}") from error
        with self._lock:
            first, self.data = self.data != "json", "json"
        if first:
            _LOG.warning("%s refuses binary data: images and scores travel as JSON, which is slower.", self.where)
        return answer

    def connect_anew(self) -> None:
        """As `Client.connect_anew`."""
        self._drop()

    def close(self) -> None:
        """As `Client.close`."""
        with self._lock:
            found, self._open = self._open, set()
        for one in found:
            one.close()

    def _infer_binary(self, query: Query) -> Answer:
        content = np.ascontiguousarray(query.images).tobytes()
        head: dict[str, Any] = {
            "inputs": [{**_input_of(query), "parameters": {"binary_data_size": len(content)}}],
        }
        if query.output is None:
            head["parameters"] = {"binary_data_output": True}
        else:
            head["outputs"] = [{"name": query.output, "parameters": {"binary_data": True}}]
        text = json.dumps(head).encode()
        headers = {"Content-Type": "application/octet-stream", _HEAD: str(len(text))}
        found, body = self._ask("POST", f"{self._model}/infer", query.most_bytes, text + content, headers)
        return _answer(body, found.get(_HEAD.lower()), query)

    def _infer_json(self, query: Query) -> Answer:
        if query.datatype == "FP16":
            raise DeviceError(f"{self.where} refuses binary data, and JSON has no FP16. Ask over grpc://.")
        head: dict[str, Any] = {"inputs": [{**_input_of(query), "data": query.images.reshape(-1).tolist()}]}
        if query.output is not None:
            head["outputs"] = [{"name": query.output}]
        headers = {"Content-Type": "application/json"}
        body = json.dumps(head, allow_nan=False).encode()
        found, answer = self._ask("POST", f"{self._model}/infer", query.most_bytes, body, headers)
        return _answer(answer, found.get(_HEAD.lower()), query)

    def _words(self, path: str) -> Any:
        _, body = self._ask("GET", path, MOST_WORDS)
        return parsed(self.credentials.redacted(body.decode("utf-8", "replace")).encode())

    def _extension(self, path: str) -> Any:
        try:
            return self._words(path)
        except RefusedError as error:
            if error.status in _NO_SUCH:
                return None
            raise

    def _ask(
        self, method: str, path: str, most: int, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Headers by lower-case name, and the body. most: bytes of it."""
        sent = {"Accept-Encoding": "identity", "User-Agent": "seatrial", **(headers or {})}
        token = self.credentials.bearer()
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        deadline = time.monotonic() + QUERY_S
        try:
            connection = self._connection()
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            refused = answer.status != 200  # with words, of which the beginning is enough: some send back all they got
            content = answer.read1(_MOST_REFUSAL) if refused else _read(answer, most, deadline)
        except (TimeoutError, ConnectionError, http.client.IncompleteRead) as error:
            self._drop()
            raise UnavailableError(self.said(str(error) or type(error).__name__)) from error
        except ssl.SSLError as error:
            self._drop()
            raise DeviceError(
                f"{self.where} cannot be asked over TLS: {self.said(str(error))}. Whom to trust says "
                "SEATRIAL_KSERVE_CA_FILE, a file of certificates."
            ) from error
        except OSError as error:
            self._drop()
            raise UnavailableError(self.said(str(error.strerror or error))) from error
        except (http.client.HTTPException, ValueError) as error:
            self._drop()
            raise DeviceError(f"{self.where} sent what is no HTTP ({self.said(repr(error))}).") from error
        except BaseException:
            self._drop()
            raise
        self._here.used = time.monotonic()
        if answer.will_close or refused:  # servers hang up behind an error, without saying so
            self._drop()
        if refused:
            raise self._refusal(answer, content)
        if answer.getheader("Content-Encoding", "identity").lower() != "identity":
            raise DeviceError(f"{self.where} sent a packed answer, which was not asked for.")
        return {name.lower(): value for name, value in answer.getheaders()}, content

    def _refusal(self, answer: http.client.HTTPResponse, content: bytes) -> Exception:
        status = answer.status
        says = self.said(f"{status} {answer.reason}: {_error_in(content)}").rstrip(": .")
        if status in _LATER:
            return UnavailableError(says)
        if status in (401, 403):
            return DeviceError(
                f"{self.where} refuses who asks ({says}). A token is given by SEATRIAL_KSERVE_TOKEN or "
                "SEATRIAL_KSERVE_TOKEN_FILE, a certificate by SEATRIAL_KSERVE_CERT_FILE and SEATRIAL_KSERVE_KEY_FILE."
            )
        if 300 <= status < 400:
            to = self.said(answer.getheader("Location", "nowhere"))
            return DeviceError(
                f"{self.where} redirects to {to}. It is not followed, since images and a token would go elsewhere than "
                "was said. Give the address that is meant."
            )
        return RefusedError(f"{self.where} answered {says}.", status)

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._here, "connection", None)
        if found is not None and time.monotonic() - self._here.used > _IDLE_S:
            self._drop()
            found = None
        if found is None:
            address = self.address
            if self._tls is None:
                found = http.client.HTTPConnection(address.host, address.port, timeout=_CONNECT_S)
            else:
                found = http.client.HTTPSConnection(address.host, address.port, timeout=_CONNECT_S, context=self._tls)
            found.connect()
            found.sock.settimeout(QUERY_S)
            self._here.connection, self._here.used = found, time.monotonic()
            with self._lock:
                self._open.add(found)
        return found

    def _drop(self) -> None:
        found: http.client.HTTPConnection | None = getattr(self._here, "connection", None)
        self._here.connection = None
        if found is not None:
            with self._lock:
                self._open.discard(found)
            with contextlib.suppress(OSError):
                found.close()


def tls_of(credentials: Credentials) -> ssl.SSLContext:
    """Of a client; UnsupportedError for files that are no certificates."""
    try:
        found = ssl.create_default_context(cafile=None if credentials.ca is None else str(credentials.ca))
        if credentials.certificate is not None:
            key = None if credentials.key is None else str(credentials.key)
            found.load_cert_chain(str(credentials.certificate), key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UnsupportedError(
            f"The files of SEATRIAL_KSERVE_CA_FILE, SEATRIAL_KSERVE_CERT_FILE and SEATRIAL_KSERVE_KEY_FILE cannot be "
            f"used: {error}."
        ) from error
    return found


def _no_password() -> str:
    raise ValueError("a key with a password, which nobody is there to type")


def _read(answer: http.client.HTTPResponse, most: int, deadline: float) -> bytes:
    if answer.length is not None and answer.length > most:
        raise DeviceError(f"The server answers with {answer.length} bytes; at most {most} can be an answer.")
    parts, size = [], 0
    while part := answer.read1(_CHUNK):
        size += len(part)
        if size > most:
            raise DeviceError(f"The server answers with more than the {most} bytes that can be an answer.")
        if time.monotonic() > deadline:
            raise TimeoutError(f"no whole answer within {QUERY_S:g} s")
        parts.append(part)
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    answer.close()  # it is whole; read1 does not see that, and the connection would wait for more
    return b"".join(parts)


def _error_in(content: bytes) -> str:
    """The protocol's `{"error": TEXT}`, else how the body begins."""
    try:
        found = json.loads(content)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        found = content[:1000].decode("utf-8", "replace")
    return str(found)[:1000]


def _input_of(query: Query) -> dict[str, Any]:
    return {"name": query.input, "shape": list(query.images.shape), "datatype": query.datatype}


def _answer(content: bytes, head: str | None, query: Query) -> Answer:
    """content: JSON, and behind its `head` bytes those of tensors that are named there."""
    try:
        length = len(content) if head is None else int(head)
        if not 0 <= length <= len(content):
            raise ValueError(f"a head of {length} bytes")
        found = parsed(content[:length])
        outputs = found["outputs"]
        names = [str(one["name"]) for one in outputs]
        place = chosen(names, query.output)
        at = length
        for one in outputs[:place]:
            at += _size(one) or 0
        tensor = outputs[place]
        shape, datatype, size = [int(extent) for extent in tensor["shape"]], str(tensor["datatype"]), _size(tensor)
        if size is None:
            scores = _listed(tensor["data"], datatype, shape)
        else:
            scores = scores_of(content[at : at + size], datatype, shape)
        return Answer(scores, str(found.get("model_name") or ""), str(found.get("model_version") or ""))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DeviceError(f"The server sent what is no answer ({repr(error)[:200]}).") from error


def _size(tensor: Any) -> int | None:
    size = (tensor.get("parameters") or {}).get("binary_data_size")
    if size is not None and int(size) < 0:
        raise ValueError(f"a tensor of {size} bytes")
    return None if size is None else int(size)


def _listed(data: Any, datatype: str, shape: list[int]) -> npt.NDArray[Any]:
    if datatype not in SCORES:
        raise DeviceError(f"The server answered {datatype[:40]}, which are no scores.")
    found = np.asarray(data)
    if found.dtype.kind not in "fiu":
        raise ValueError("scores that are no numbers")
    with np.errstate(over="ignore"):  # what is infinite then is told as such
        return found.astype(SCORES[datatype]).reshape(shape)
