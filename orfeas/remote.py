"""Inputs fetched from URLs, without letting a URL reach what only this machine can reach.

The guard sits where connections are made: a name is resolved once, every address of it has to be
public, and the connection goes to one of those very addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import httpcore
import httpx

from orfeas.errors import BlockedUrlError, UpstreamFailedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""From host and port to textual addresses, in the order of preference."""

MAX_REDIRECTS = 3
TIMEOUT_S = 20.0
REDIRECTS = {301, 302, 303, 307, 308}

NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215
IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, deprecated
RELAYS = ipaddress.IPv4Network("192.88.99.0/24")  # RFC 7526, deprecated 6to4 relays
_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave; `name` is the last part of its path, which says nothing about the content."""

    data: bytes
    media_type: str | None
    name: str | None


def fetch(
    url: str,
    *,
    max_bytes: int,
    resolve: Resolver | None = None,
    allowed: Callable[[Address], bool] | None = None,
    timeout_s: float = TIMEOUT_S,
    verify: ssl.SSLContext | None = None,
) -> Fetched:
    """Fetch a URL from the public internet, following at most three redirects.

    Parameters
    ----------
    url
        http or https, without user name.
    max_bytes
        The longest body that is read.
    resolve, allowed
        Name look-up, and which addresses may be connected to; system look-up and `is_public` if not given.
    timeout_s
        Seconds for everything together.

    Raises
    ------
    BlockedUrlError
        The URL or a redirect leads where it may not, takes too long or is too large.
    UpstreamFailedError
        The other server refused or failed.
    """
    deadline = time.monotonic() + timeout_s
    backend = _GuardedBackend(resolve or system_addresses, allowed or is_public, deadline)
    with httpx.Client(
        transport=_GuardedTransport(backend, verify or httpx.create_ssl_context(trust_env=False)),
        trust_env=False,
        timeout=timeout_s,
        headers={"Accept-Encoding": "identity", "User-Agent": "orfeas"},
    ) as client:
        return _followed(client, checked_url(url), max_bytes, deadline, timeout_s)


def _followed(client: httpx.Client, url: httpx.URL, max_bytes: int, deadline: float, timeout_s: float) -> Fetched:
    for _ in range(MAX_REDIRECTS + 1):
        try:
            with client.stream("GET", url) as response:
                if response.status_code not in REDIRECTS:
                    return _read(response, max_bytes, deadline, timeout_s)
                url = _next(url, response)
        except httpx.TimeoutException as error:
            raise BlockedUrlError(f"{url.host} took longer than {timeout_s:g} s; send the file itself.") from error
        except httpx.TransportError as error:
            raise UpstreamFailedError(f"{url.host} could not be read: {type(error).__name__}.") from error
    raise BlockedUrlError(f"The URL redirects more than {MAX_REDIRECTS} times; give the final address.")


def _next(url: httpx.URL, response: httpx.Response) -> httpx.URL:
    try:
        return checked_url(str(url.join(response.headers["Location"])))
    except (KeyError, httpx.InvalidURL) as error:
        raise UpstreamFailedError(f"{url.host} redirects without a valid address.") from error


def _read(response: httpx.Response, max_bytes: int, deadline: float, timeout_s: float) -> Fetched:
    host = response.url.host
    if response.status_code != 200:
        raise UpstreamFailedError(f"{host} answered {response.status_code}.", upstream_status=response.status_code)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UpstreamFailedError(f"{host} sent an encoded body though none was asked for.")
    if int(response.headers.get("Content-Length", "0") or 0) > max_bytes:
        _too_large(host, max_bytes)
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            _too_large(host, max_bytes)
        if time.monotonic() > deadline:
            raise BlockedUrlError(f"{host} took longer than {timeout_s:g} s; send the file itself.")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Fetched(bytes(body), media_type or None, response.url.path.rsplit("/", 1)[-1] or None)


def _too_large(host: str, max_bytes: int) -> NoReturn:
    raise BlockedUrlError(f"{host} sends more than {max_bytes} bytes.", limit=max_bytes)


def checked_url(url: str) -> httpx.URL:
    """The URL if its own text is acceptable; where its host leads is checked when connecting."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise BlockedUrlError("That is not a URL.") from error
    if found.scheme not in ("http", "https") or not found.host:
        raise BlockedUrlError("Only http:// and https:// URLs are fetched.")
    if found.userinfo:
        raise BlockedUrlError("A URL with a user name or password is not fetched.")
    if _NUMERIC_LABEL.fullmatch(found.host.rstrip(".").rpartition(".")[2]) and _address(found.host) is None:
        raise BlockedUrlError(f"{found.host} is a number that some programs read as an address; write it plainly.")
    return found


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, with whatever address it carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        return _is_public_ipv6(address)
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in RELAYS


def _is_public_ipv6(address: ipaddress.IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address.sixtofour is not None:
        return is_public(address.sixtofour)
    if address in NAT64[0]:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.teredo is not None or address in NAT64[1] or address in IPV4_COMPATIBLE or address.scope_id:
        return False
    return address.is_global and not (address.is_multicast or address.is_site_local or address.is_reserved)


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def system_addresses(host: str, port: int) -> list[str]:
    """The system's addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _GuardedTransport(httpx.HTTPTransport):
    """httpx's transport over connections that the guard makes."""

    def __init__(self, backend: httpcore.NetworkBackend, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=backend, max_keepalive_connections=0)


class _GuardedBackend(httpcore.NetworkBackend):
    """Resolves once, checks every address, connects to a checked one; no call outlives the deadline."""

    def __init__(self, resolve: Resolver, allowed: Callable[[Address], bool], deadline: float) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first checked address that answers."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._checked(host, port):
            try:
                stream = self._inner.connect_tcp(
                    address, port, timeout=_left(self._deadline), socket_options=socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure

    def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from error
        for text in found:
            address = _address(text)
            if address is None or not self._allowed(address):
                raise BlockedUrlError(f"{host} is not a public address; send the file itself.")
        return found


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation ends at the deadline, however slowly bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive."""
        return self._stream.read(max_bytes, timeout=_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send."""
        self._stream.write(buffer, timeout=_left(self._deadline))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on under TLS; the certificate has to be that of the URL's host."""
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, timeout=_left(self._deadline)), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        """Facts of the connection."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise httpcore.ReadTimeout("the time for this URL is up")
    return left
