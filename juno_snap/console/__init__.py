"""The HTTP interface of step snapshots, for programs and for a page on this machine.

In here: the calls (list flows; list, show, create, edit and delete the step snapshots of one; reset
all of them, and undo), the OpenAPI document that describes them, the page (``web``, served as it
is, by ``page``), and the server. Not in here: what a step snapshot may be and when it may be
changed (``flow`` says so, to the command line as to this). Only ``cli`` may import it.

Decisions. The shapes are those of JSON:API as other platforms of flows have them: the id of a step
is the id of its snapshot, its body stands in ``attributes.snapshot``. PATCH replaces the whole.
A request without ``If-Match`` changes whatever is there. Each resource has its JSON once more as
text (``meta.text``): a reader in JavaScript would round its long numbers. The size of a step
snapshot is checked where it is stored; ``BODY_MAX_BYTES`` only keeps a request from filling the
memory.

Who may ask: a process on this machine that can read a file of the state directory. The server
listens on the loopback address only; every request needs the token of this start, and a ``Host``
that is ours, so that no page of another site reaches it by a name that it has pointed here; where a
browser says of which site its page is (``Origin``), that has to be ours as well. There is no switch
that turns one of these off. Only the files of the page, which are the same for everybody, need no
token: a browser gets it in the fragment of an address, which it sends to nobody. An answer tells
what was refused and never how the program looks inside.
"""

from typing import Final

HOST: Final = "127.0.0.1"
"""The only address to listen at."""
