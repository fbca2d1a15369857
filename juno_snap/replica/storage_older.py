"""What a checkpoint of an older version says, in the words of this one.

Version 1 named the user who changed a canister; since then there is more to say of who did. The
version is not in the checkpoint, and the folder may say a newer one already if a replica ended
before it wrote a checkpoint of its own: so what is there decides.
"""

import json
from typing import Final

_OLD_NAME: Final = "user"
_NEW_NAME: Final = "origin"


def in_new_words(body: bytes) -> bytes | None:
    """``body`` as this version would have written it; None where it is not of an older one."""
    try:
        state = json.loads(body)
        records = [record for each in state["canisters"] for record in each["history"]["changes"]]
        old = [record for record in records if _OLD_NAME in record]
        for record in old:
            record[_NEW_NAME] = {"principal": record.pop(_OLD_NAME)}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return json.dumps(state).encode() if old else None
