"""Upgrades to published releases: which ones, one after another, and what is kept on the way.

``route`` chooses releases and has their files brought, ``passage`` goes through them, ``forecast``
plans those that are not yet next. Not in here: how releases are found and verified (``juno``), and
the upgrade itself, which is the same for any Wasm.

The snapshot before the first of several releases stays: it gets the label ``before-X.Y.Z``, with
the release that is wanted, and labelled snapshots are no upgrade's to give up. The journal writes
the label down together with the snapshot, so that no moment lies between the two in which a run
could end. The others go as with any upgrade: each in favour of the next, once that is verified.
"""
