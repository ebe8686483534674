"""The Hugging Face hub: what a published file is, and its bytes from any offset. Knows nothing of disks or bundles.

`huggingface_hub` is not used because its version 2.4.0, tried against the tests' hub, deletes what has arrived of a
file when it is interrupted, and takes wrong content of the right size for the file.

The protocol (https://huggingface.co/docs/hub/api, and `file_download.py` of `huggingface_hub`): GET or HEAD of
`/{repository}/resolve/{revision}/{path}` answers for a large file with a redirect to signed storage on another host,
and describes the file in `X-Linked-Size`, `X-Linked-Etag` (its SHA-256) and `X-Repo-Commit`; a small one it sends
itself, or after a redirect on the same host, and its `ETag` is git's SHA-1 of it. The token is sent to the hub's own
address alone.
"""

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import httpx

from model_loader.catalog import CatalogFile, Repository
from serve.errors import Gen3DError

HUB = "https://huggingface.co"
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(30, connect=15)


class TryAgain(Exception):  # noqa: N818 - it asks for a retry, and is no error until those are used up
    """The hub could not answer just now.

    Attributes:
        reason: What went wrong, for people.
        after: How many seconds the hub asks to wait, or None where it does not say.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.reason = reason
        self.after = after
        super().__init__(reason)


@dataclass(frozen=True)
class Description:
    """What the hub says of a file.

    Attributes:
        bytes: Its size, or None where the hub does not say.
        sha256: Of its content, hexadecimal, or None where the hub does not say.
        git_sha1: Git's name for its content, hexadecimal (the SHA-1 of `blob SIZE`, a zero byte and the content), or
            None where the hub does not say.
    """

    bytes: int | None
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True)
class Download:
    """The bytes of a file, as they arrive.

    Attributes:
        start: From which offset on they come: the one asked for, or 0.
        size: The size of the whole file, or None where the server does not say.
        chunks: The bytes. Raises `TryAgain` where they stop coming.
    """

    start: int
    size: int | None
    chunks: Iterator[bytes]


class Hub:
    """The hub at one address, for one account. May be used from several threads at once."""

    def __init__(self, address: str, token: str | None) -> None:
        """Raises Gen3DError: `invalid_setting` where the address is none, or the token, a proxy or certificates are."""
        self._address = _checked_address(address)
        self._token = token.strip() if token else None
        if self._token and not re.fullmatch(r"[!-~]+", self._token):
            raise Gen3DError("invalid_setting", "HF_TOKEN holds characters that no token has: copy it anew.")
        try:
            self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, headers={"User-Agent": "gen3d"})
        except (OSError, ImportError, ValueError, httpx.InvalidURL) as error:
            raise Gen3DError(
                "invalid_setting",
                "The hub cannot be reached as SSL_CERT_FILE, SSL_CERT_DIR or a proxy variable says:"
                f" {_client_fault(error)}.",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def describe(self, file: CatalogFile) -> Description:
        """What the hub says of a file.

        Raises:
            TryAgain: It could not answer just now.
            Gen3DError: `hub_access_refused`, `hub_not_found`, `hub_wrong_content` (another revision) or
                `hub_unreachable`.
        """
        with self._open("HEAD", file, {}) as (answer, headers):
            commit = headers.get("x-repo-commit")
            if commit not in (None, file.repository.revision):
                raise Gen3DError(
                    "hub_wrong_content",
                    f"The hub answers with revision {commit} of {file.repository.name},"
                    f" not with {file.repository.revision}.",
                )
            size = headers.get("x-linked-size") or (answer.headers.get("content-length") if answer.is_success else None)
            tag = (headers.get("x-linked-etag") or headers.get("etag") or "").removeprefix("W/").strip('"')
            return Description(
                bytes=int(size) if size and re.fullmatch(r"\d{1,18}", size) else None,
                sha256=tag if re.fullmatch(r"[0-9a-f]{64}", tag) else None,
                git_sha1=tag if re.fullmatch(r"[0-9a-f]{40}", tag) else None,
            )

    @contextmanager
    def download(self, file: CatalogFile, offset: int) -> Iterator[Download]:
        """The bytes of a file from an offset on; from its begin, where the server cannot do otherwise.

        Raises:
            TryAgain: The hub, or its storage, could not answer just now.
            Gen3DError: As `describe` does.
        """
        with self._open("GET", file, {"Range": f"bytes={offset}-"} if offset else {}) as (answer, _):
            start, size = 0, None
            if answer.status_code == 206:
                part = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
                if part is None or int(part[1]) != offset:
                    raise TryAgain("the storage sent another part than was asked for")
                start, size = offset, int(part[2])
            elif "content-length" in answer.headers:
                size = int(answer.headers["content-length"])
            yield Download(start, size, _chunks(answer))

    @contextmanager
    def _open(
        self, method: str, file: CatalogFile, headers: Mapping[str, str]
    ) -> Iterator[tuple[httpx.Response, dict[str, str]]]:
        """The last answer (of the hub alone, for HEAD), and all headers that the hub itself sent on the way to it."""
        # Compression would hide the size, and make ranges mean something else.
        headers = {"Accept-Encoding": "identity", **headers}
        path = f"{file.repository.name}/resolve/{file.repository.revision}/{file.source}"
        url = self._address.copy_with(path=f"{self._address.path.rstrip('/')}/{path}")
        said: dict[str, str] = {}
        for _ in range(_MAX_REDIRECTS):
            is_hub = _origin(url) == _origin(self._address)
            token = {"Authorization": f"Bearer {self._token}"} if is_hub and self._token else {}
            try:
                answer = self._http.send(
                    self._http.build_request(method, url, headers={**headers, **token}), stream=True
                )
            except (httpx.HTTPError, UnicodeError) as error:
                raise TryAgain(f"{_host(url)} could not be reached: {_reason(error)}") from None
            try:
                if is_hub:
                    said.update(answer.headers)
                if answer.status_code not in _REDIRECTS:
                    self._check(answer, file.repository, file.source, is_hub)
                    yield answer, said
                    return
                target = _target(url, answer.headers.get("location", ""))
                if target is None:
                    raise TryAgain(f"{_host(url)} redirects to nowhere")
                if method == "HEAD" and _origin(target) != _origin(self._address):
                    yield answer, said
                    return
            finally:
                answer.close()
            url = target
        raise TryAgain("too many redirects")

    def _check(self, answer: httpx.Response, repository: Repository, source: str, is_hub: bool) -> None:
        """Raises what a status other than success means."""
        status = answer.status_code
        if status in (200, 206):
            return
        if not is_hub:  # signed addresses expire: the next attempt gets a new one
            raise TryAgain(f"the hub's storage {_host(answer.url)} answers {status}", _retry_after(answer.headers))
        if status in (401, 403):
            raise Gen3DError("hub_access_refused", self._refusal(status, repository), page=repository.page)
        if status in (404, 410):
            what = {
                "EntryNotFound": f"no file '{source}' in {repository.name} at revision {repository.revision}",
                "RevisionNotFound": f"no revision {repository.revision} of {repository.name}",
            }.get(answer.headers.get("x-error-code", ""), f"nothing at {answer.url.path}")
            raise Gen3DError("hub_not_found", f"The hub {self._address.host} has {what}.")
        if status in (408, 416, 429) or status >= 500:
            raise TryAgain(f"the hub {self._address.host} answers {status}", _retry_after(answer.headers))
        raise Gen3DError("hub_unreachable", f"The hub {self._address.host} answers {status} for '{source}'.")

    def _refusal(self, status: int, repository: Repository) -> str:
        """What a person must do to be given the files."""
        page, tokens = repository.page, f"{HUB}/settings/tokens"
        if not self._token:
            return (
                f"The hub gives {repository.name} only to accounts that have accepted its licence: do so at {page},"
                f" make a token that may read at {tokens}, and set HF_TOKEN to it."
            )
        if status == 401:
            return f"The hub does not accept the token in HF_TOKEN for {repository.name}: make a new one at {tokens}."
        return (
            f"The account of HF_TOKEN has no access to {repository.name}: ask for it at {page} and wait until it is"
            " granted. A fine-grained token must also be allowed to read gated repositories."
        )


def _checked_address(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
        # A name with an empty or overlong part is refused only by the codec that Python's sockets use.
        is_one = url.scheme in ("http", "https") and bool(url.host) and bool(_host(url).encode("idna"))
    except (httpx.InvalidURL, UnicodeError):
        is_one = False
    # A user in it would be sent in the token's stead, and a query or fragment with every path.
    if not is_one or re.search("[@?#]", address):
        raise Gen3DError(  # what it holds is not told: it may be a password
            "invalid_setting",
            f"HF_ENDPOINT must be the hub's address, such as {HUB}, with no user, query or fragment in it.",
        )
    return url


def _host(url: httpx.URL) -> str:
    """As it is sent: `url.host` is decoded, and raises for a name that cannot be."""
    return url.raw_host.decode("ascii")


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _target(url: httpx.URL, location: str) -> httpx.URL | None:
    """Where a redirect leads, or None where that is nowhere."""
    try:
        target = url.join(location)
    except (httpx.InvalidURL, UnicodeError):
        return None
    return target if location and target.scheme in ("http", "https") else None


def _client_fault(error: Exception) -> str:
    """Why there can be no HTTP client. A proxy's address is not told: it may hold a password."""
    match error:
        case OSError():
            return f"the certificates cannot be read ({error.strerror or error})"
        case ImportError():
            return "a SOCKS proxy needs a package that is not installed; use an HTTP proxy"
        case _:
            return "a proxy's address is none, or has a scheme other than http and https"


def _chunks(answer: httpx.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_raw()  # as they come: gathered into larger pieces, some would be lost with a cut
    except httpx.HTTPError as error:
        raise TryAgain(f"the connection to {answer.url.host} broke: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _retry_after(headers: httpx.Headers) -> float | None:
    """`Retry-After` in seconds: a number or a date (RFC 9110, 10.2.3), or None where it is absent or neither."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
