"""HTTP/1.1 with as little Python as possible: what sends load must not cost what it measures."""

import socket

PATIENCE_SECONDS = 60.0
"""How long an answer may take, and how long one body is sent again and again before the run counts as failed."""


class Connection:
    """One connection that is kept, and opened again when it broke."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self.last = b""
        """The body of the last answer."""

    def send(self, request: bytes) -> int:
        """Send a request, read the whole answer; return its status, or 0 when the connection broke."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=PATIENCE_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._receive(self._socket)
        except (ConnectionError, TimeoutError) as error:
            self.last = str(error).encode()
            self.close()
            return 0

    def _receive(self, connection: socket.socket) -> int:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(connection)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
        while len(rest) < length:
            rest += self._more(connection)
        self.last = rest
        return int(head.split(b" ", 2)[1])

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
