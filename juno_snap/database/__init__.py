"""Files of rows that survive a crash: the one way in which this program opens a SQLite file.

In here: opening and making a file with care (private, whole, of a known format), short
transactions that are on disk when they return, rows with a checksum, room kept for a full disk, and
what is said where a file cannot be used. Not in here: any table; ``pipeline.journal`` and ``flow``
have their own, each in a file of its own. They, and nobody else, import it.
"""
