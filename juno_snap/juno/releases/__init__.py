"""Published releases of Juno's modules: which there are, and their files, verified.

``model`` is the list and its order, ``checksums`` and ``certificate`` check what was sent, ``http``
brings it, ``cache`` keeps it, ``source`` puts them together. Decisions:

* What counts is a checksum that Juno has published with the release. It comes from another place
  than the file (GitHub's releases, not the CDN), so that whoever controls one of them is noticed.
  A version may be listed under several tags; a checksum of any of them is one of that version.
* The certificate that the CDN's canister gives is checked beside it, never in its place: a proxy
  can leave it out, and which canister the CDN is, the answer itself says unless that is configured.
  One that is wrong ends the download; one that cannot be checked in full is said to be so.
* A file is installed only after all of that, out of memory: what lies on disk is checked again.
* Redirects stay on the host that was asked. GitHub keeps the files of releases on two hosts of its
  own, which are named in ``http``.
"""
