"""A mail server and a web server on loopback: real sockets, and every way in which one can fail."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType

PATIENCE = 60.0


def context_of(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Accepts connections, by way of the kernel, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


@dataclass
class MailServer:
    """SMTP (RFC 5321) as far as a client needs it. ``answers`` are by verb, such as
    ``{"DATA": "552 full"}``; ``tls``: from the first byte; ``starttls``: when asked."""

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    user: str | None = None
    password: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)

    def __enter__(self) -> MailServer:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            with contextlib.suppress(OSError, EOFError), connection:
                wrapped = self.tls.wrap_socket(connection, server_side=True) if self.tls else None
                Conversation(self, wrapped or connection).hold()


class Conversation:
    """One client's."""

    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._server = server
        self._take(connection)
        self._is_done = False

    def _take(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def _say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")

    def _read(self) -> bytes:
        line = self._file.readline()
        if not line:
            raise EOFError
        return line

    def hold(self) -> None:
        self._say(self._server.answers.get("HELLO", "220 here"))
        while not self._is_done:
            verb, _, rest = self._read().decode(errors="replace").strip().partition(" ")
            self._server.verbs.append(verb.upper())
            set_answer = self._server.answers.get(verb.upper())
            if set_answer is not None:
                self._say(set_answer)
            else:
                getattr(self, f"_on_{verb.lower()}", self._on_other)(rest)
        self._connection.close()

    def _on_ehlo(self, rest: str) -> None:
        offers = ["STARTTLS"] if self._server.starttls else []
        offers += ["AUTH PLAIN"] if self._server.user else []
        lines = ["here", *offers]
        for line in lines[:-1]:
            self._say(f"250-{line}")
        self._say(f"250 {lines[-1]}")

    def _on_starttls(self, rest: str) -> None:
        self._say("220 go on")
        assert self._server.starttls is not None
        self._take(self._server.starttls.wrap_socket(self._connection, server_side=True))

    def _on_auth(self, rest: str) -> None:
        _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        is_right = (name, password) == (self._server.user, self._server.password)
        self._say("235 welcome" if is_right else "535 wrong password")

    def _on_rcpt(self, rest: str) -> None:
        self._server.recipients.append(rest)
        self._say("250 fine")

    def _on_data(self, rest: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self._read()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self._server.mails.append(mail)
        self._say("250 kept")

    def _on_quit(self, rest: str) -> None:
        self._say("221 bye")
        self._is_done = True

    def _on_other(self, rest: str) -> None:
        self._say("250 fine")


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class WebServer:
    """HTTP that answers with ``status``; ``drip``: a byte of an answer that never ends, now and
    then. What was asked is in ``requests``."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.status = 200
        self.words = b"thanks"
        self.headers: dict[str, str] = {}
        self.drip = False
        self.is_over = threading.Event()
        web = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): text for name, text in self.headers.items()}
                web.requests.append(Request(self.command, self.path, headers, body))
                if web.drip:
                    web.dribble(self)
                    return
                self.send_response(web.status)
                for name, text in {**web.headers, "Content-Length": str(len(web.words))}.items():
                    self.send_header(name, text)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(web.words)

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

        for verb in ("GET", "POST", "PUT", "HEAD"):
            setattr(Answers, f"do_{verb}", Answers.answer)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that has gone away, or does not trust us, is no trouble of ours."""

        self._server = Server(("127.0.0.1", 0), Answers)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def dribble(self, request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.is_over.wait(0.05):
            request.wfile.write(b"x")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
