"""A WebDAV server (wsgidav on cheroot) as a process of its own, which stores what it gets.

``python -m tests.integration.webdav_server FOLDER PORT [BYTES]`` says its port on standard output
once it listens. With BYTES it dies when it has received and sent so many, in the middle of a file.
"""

import os
import sys

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

USER, PASSWORD = "user", "pass word"


class Mortal:
    """Counts what passes, and ends the process."""

    def __init__(self, application, left_bytes):
        self.application = application
        self.left_bytes = left_bytes

    def __call__(self, environ, start_response):
        environ["wsgi.input"] = Counted(environ["wsgi.input"], self)
        return self.answered(self.application(environ, start_response))

    def answered(self, pieces):
        try:
            for piece in pieces:
                self.passed(piece)
                yield piece
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def passed(self, piece):
        self.left_bytes -= len(piece)
        if self.left_bytes < 0:
            os._exit(9)


class Counted:
    def __init__(self, stream, mortal):
        self.stream = stream
        self.mortal = mortal

    def read(self, *size):
        data = self.stream.read(*size)
        self.mortal.passed(data)
        return data

    def __getattr__(self, name):
        return getattr(self.stream, name)


def main(folder, port, left_bytes=None):
    application = WsgiDAVApp(
        {
            "provider_mapping": {"/": folder},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {
                "accept_basic": True, "accept_digest": False, "default_to_digest": False,
            },
            "logging": {"enable": False},
            "verbose": 0,
        }
    )  # fmt: skip
    if left_bytes is not None:
        application = Mortal(application, int(left_bytes))
    server = wsgi.Server(("127.0.0.1", int(port)), application, numthreads=2)
    server.prepare()
    sys.stdout.write(f"{server.bind_addr[1]}\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
