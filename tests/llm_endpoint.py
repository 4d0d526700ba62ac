"""An OpenAI-compatible endpoint on loopback that behaves as badly as a test asks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint:
    """A server on loopback that behaves as badly as a test asks; what it was sent is kept."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any] | None, dict[str, str]]] = []
        self.answers: list[Any] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Silent."""

            def do_GET(self) -> None:
                endpoint.requests.append((self.path, None, dict(self.headers)))
                self.reply(200, json.dumps({"data": [{"id": "small"}, {"id": "large"}]}).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append((self.path, body, dict(self.headers)))
                answer = endpoint.answers.pop(0) if endpoint.answers else chat("fine")
                answer = answer(body) if callable(answer) else answer
                if answer is None:
                    self.connection.close()
                    return
                status, data = answer
                self.reply(status, data)

            def reply(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    """The client has had enough."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def chat(text: str, **more: Any) -> tuple[int, bytes]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return 200, json.dumps({"model": "small", "choices": [choice], "usage": usage}).encode()
