"""An SFTP server (asyncssh) as a process of its own, which stores what it gets.

``python -m tests.integration.sftp_server FOLDER KNOWN_HOSTS`` writes its key to KNOWN_HOSTS, and
then says its port on standard output.
"""

import asyncio
import sys
from pathlib import Path

import asyncssh

USER, PASSWORD = "user", "pass word"


class Users(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == (USER, PASSWORD)


async def serve(folder, say):
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Users,
        server_host_keys=[key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder),
    )
    port = server.get_port()
    say(port, f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    await server.wait_closed()


def main(folder, known_hosts):
    def say(port, line):
        Path(known_hosts).write_text(line, encoding="ascii")
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    asyncio.run(serve(folder, say))


if __name__ == "__main__":
    main(*sys.argv[1:])
