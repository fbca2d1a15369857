"""Module snapshots copied off the chain: directories that are written, read, checked and tidied.

In here: what a snapshot is made of (``model``), our own directory (``layout``, ``writer``), those
of other tools (``formats``), one way to read all of them (``reader``), ``verify``, and what becomes
of many (``catalogue``, ``retention``, ``convert``), copies at other places (``copies``: the only
part that speaks to servers). Not in here: the network of the modules; the parts come in and go out
as bytes. Base modules only; ``pipeline``, ``console`` and ``cli`` may import it.

**The directory.** What icp-cli and dfx read, as they write it, and two files of ours::

    metadata.json  wasm_module.bin  wasm_memory.bin  stable_memory.bin
    wasm_chunk_store/<SHA-256 in hex>.bin
    juno-snap.begun.json   which snapshot of which module this is, all of its metadata, exactly
    juno-snap.json         the manifest: the same, and size and SHA-256 of every file
    juno-snap.slices       only while it is being written: which slices have arrived
    juno-snap.copying.json only while it is being copied to here; see ``copies``

Both JSON files end with a member ``checksum``: the SHA-256 of all bytes before its own digits.

Decisions:

* ``juno-snap.begun.json`` is written first and stays. With it and without a manifest a directory is
  unfinished, or has lost its manifest; without both it is one of icp-cli or dfx. ``metadata.json``
  is written at the end, so that no other tool takes an unfinished directory for a whole one.
* All three parts have a file, an empty one too, and the folder of chunks is there: icp-cli and dfx
  want different ones of them.
* A slice that has arrived is a line with its CRC-32, written after the slice and not synced: who
  goes on reads every slice again that is said to be there and believes the bytes, not the line. So
  neither a killed process nor a power cut can make a hole.
* Floats and v128 stand in our own files as hex digits of their bits: NaN and infinity survive.
  ``metadata.json`` cannot say them: it has null in their place, as icp-cli itself writes, which
  makes icp-cli and dfx refuse an upload rather than change the value.
* The time of a backup is that at which its snapshot was taken. Directories are for their owner
  only (0700): they hold all data of the module.
* A symbolic link inside a backup is refused, wherever it leads.
* What another tool leaves in a directory (lock and progress files) is no damage; it is told.
"""
