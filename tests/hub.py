"""A small hub on this machine that speaks the few routes a download needs, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

CHUNK_BYTES = 16 << 10


@dataclass
class Misbehaviour:
    """What the next downloads of weights meet."""

    break_after: int | None = None
    """The connection is closed after so many bytes, once; what comes next is answered 503 until `mended`."""
    pause_s: float = 0.0
    """Between pieces of 16 kB."""
    flip: bool = False
    """A byte is another one."""
    listed_size: int | None = None
    """The size that the listing tells of weights."""
    broken: bool = False


@dataclass
class Hub:
    """Serves `folder/<owner>/<name>/...` as repositories.

    `requests` are the downloads that were asked for: path and Range.
    """

    folder: Path
    wrong: Misbehaviour = field(default_factory=Misbehaviour)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __enter__(self) -> Hub:
        hub = self

        class Handler(_Handler):
            served = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self) -> None:
        """Behave, and forget who asked."""
        self.wrong = Misbehaviour()
        self.requests.clear()

    def commit(self, repo: str) -> str:
        """The commit that a repository is at: it follows from its files."""
        names = sorted(path.relative_to(self.folder).as_posix() for path in (self.folder / repo).rglob("*"))
        return hashlib.sha1(json.dumps(names).encode(), usedforsecurity=False).hexdigest()

    def listing(self, repo: str) -> dict[str, Any]:
        """As `GET /api/models/<repo>?blobs=true` answers."""
        root = self.folder / repo
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {
            "_id": "0", "id": repo, "modelId": repo, "private": False, "sha": self.commit(repo), "tags": [],
            "downloads": 0, "likes": 0, "siblings": [self._sibling(path, root) for path in files],
        }  # fmt: skip

    def _sibling(self, path: Path, root: Path) -> dict[str, Any]:
        data = path.read_bytes()
        named = {"rfilename": path.relative_to(root).as_posix(), "size": len(data)}
        if not is_weights(path.name):
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
            return {**named, "blobId": blob.hexdigest()}
        size = self.wrong.listed_size or len(data)
        lfs = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 134}
        return {**named, "size": size, "blobId": "0" * 40, "lfs": lfs}


def is_weights(name: str) -> bool:
    """Whether a file is large enough that the hub knows its SHA-256."""
    return name.endswith((".safetensors", ".ckpt"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.lstrip("/")
        if path.startswith("api/models/"):
            self._list(path.removeprefix("api/models/"))
        else:
            self._send_file(*path.split("/resolve/"))

    def _list(self, repo: str) -> None:
        if not (self.served.folder / repo).is_dir():
            self._refuse(404, "RepoNotFound")
            return
        data = json.dumps(self.served.listing(repo)).encode()
        self._head(200, len(data))
        self.wfile.write(data)

    def _send_file(self, repo: str, rest: str) -> None:
        commit, _, name = rest.partition("/")
        asked = self.headers.get("Range")
        self.served.requests.append((name, asked))
        assert commit == self.served.commit(repo)
        wrong, weights = self.served.wrong, is_weights(name)
        if weights and wrong.broken:
            self._refuse(503, "")
            return
        data = bytearray((self.served.folder / repo / name).read_bytes())
        if weights and wrong.flip:
            data[len(data) // 2] ^= 1
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked:
            self._head(206, len(data) - start, **{"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        else:
            self._head(200, len(data))
        self._write(bytes(data[start:]), wrong if weights else Misbehaviour())

    def _write(self, data: bytes, wrong: Misbehaviour) -> None:
        sent = 0
        while sent < len(data):
            if wrong.break_after is not None and sent >= wrong.break_after:
                wrong.broken, wrong.break_after = True, None
                self.close_connection = True
                return
            self.wfile.write(data[sent : sent + CHUNK_BYTES])
            self.wfile.flush()
            sent += CHUNK_BYTES
            time.sleep(wrong.pause_s)

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), "Accept-Ranges": "bytes", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
