"""The keyring of the operating system, through the package ``keyring`` where it is installed.

Linux: the Secret Service (GNOME Keyring, KWallet, KeePassXC); macOS: the Keychain.
"""

from juno_snap.errors import IdentityError
from juno_snap.juno.credentials.tools import KeyringEntry, ToolKey


def read_keyring(entry: KeyringEntry, key: ToolKey) -> bytes:
    """The PEM that ``key``'s tool left in the keyring.

    Raises:
        IdentityError: No keyring can be asked (codes keyring-missing and keyring-closed), or it
            does not have the key.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise IdentityError(
            f"the key of {key.label} is in the system's keyring, for which a package is missing",
            code="keyring-missing",
            hint=f"pip install 'juno-snap[keyring]'; or {key.way_out}",
        ) from error
    try:
        secret = keyring.get_password(entry.service, entry.user)
    except (KeyringError, OSError, RuntimeError) as error:
        raise IdentityError(
            f"the keyring that has the key of {key.label} cannot be asked",
            code="keyring-closed",
            hint=f"unlock it; where there is none: {key.way_out}",
        ) from error
    if secret is None:
        raise IdentityError(
            f"the keyring has no key of {key.label} ({entry.service}, {entry.user})",
            code="identity-not-found",
            hint=f"see whether the tool itself can still use it: {key.tool} identity list",
        )
    try:
        return bytes.fromhex(secret) if entry.is_hex else secret.encode()
    except ValueError:
        return b""  # told by whoever reads it as a PEM
