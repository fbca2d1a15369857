"""Keys of age, made anew."""

from pyrage import x25519


def new_keys(folder, name="secret"):
    """A file with a secret key, and the recipient that belongs to it."""
    identity = x25519.Identity.generate()
    file = folder / f"{name}.key"
    file.write_text(f"# made by a test\n{identity}\n", encoding="ascii")
    return file, str(identity.to_public())
