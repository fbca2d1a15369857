"""A backup at another place: another directory, or a server, and encrypted if wanted.

In here: what is copied and how (``copy``), the places (``stores`` for directories, ``remote`` for
servers, through fsspec), the list that says what has arrived (``listing``), encryption (``age``).

**At the other place.** A copy has the files of the directory under the same names; it is one again
where the place is mounted. An encrypted one has each file as an age file of its own, the manifest
too, and a list in place of the manifest::

    wasm_memory.bin.age  ...  juno-snap.begun.json.age  juno-snap.json.age
    juno-snap.age.json       size and SHA-256 of each of these files, and of which backup they are
    juno-snap.copying.json   only while it is being copied: the same list, of what has arrived

Decisions:

* The manifest, or the list, is the last file to arrive, and makes it a backup. A file is on the
  list once it was read back from there with the digest it was sent with; what is on the list and
  has its size is not sent again. ``read_back=False`` looks at the size only, for places where
  reading costs.
* A place that has something else is refused, another backup above all: nothing is replaced.
* Both lists end with a checksum, like the manifest. A list that a crash has torn counts as empty.
* What an encrypted copy tells without its key: how many files of which size, the hashes of stored
  chunks (which are code), and digests. Names are kept so that ``age -d`` alone gives a backup back.
* It is encrypted to age recipients (X25519), whose key need not be on this machine. So the digests
  are those of the encrypted files: an encrypted copy is checked, and copied on, without the key.
* Only backups with a manifest are copied: icp's and Juno's layouts have no digest for every file.
* Over a network nothing is locked: two copies to one place at once are for people to avoid.
* Credentials and addresses come from the configuration of fsspec (``FSSPEC_*``,
  ``~/.config/fsspec``), or where the service's own tools have them. An SFTP host is one of
  ``~/.ssh/known_hosts``, which sshfs would not look at by itself.
"""
