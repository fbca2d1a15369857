"""Commands and functions of the user's own that run at fixed points of an operation.

In here: what a hook is, what it is told, how it is run within bounds. Not in here: when a hook runs
and what its failure does to the operation, which is ``runner``'s; reading them from a file, which
is ``settings``'; running a command within bounds, which is ``juno_snap.processes``'. ``pipeline``
and ``cli`` may import it. Decisions:

* A command is an argument list. It runs in a session and process group of its own, with the working
  directory of this process, its context as JSON on standard input and in ``JUNO_SNAP_*`` variables.
  Where its time is over, the whole group gets SIGTERM and a second later SIGKILL. What it leaves in
  the background after its own end is let be.
* Its environment is ours without secrets: a variable is left out where its name speaks of a token,
  a password, a key, an identity and the like, or where its value is a private key in PEM. A hook
  that needs one (a webhook's token) names it in ``pass_variables``; ``JUNO_TOKEN`` and what
  juno-snap itself opens an identity with are never passed.
* A function is named as ``package.module:function`` or by an entry point of the group
  ``juno_snap.hooks``. An entry point runs only where the configuration names it: to install a
  package is no consent to have it act on upgrades. It is imported from where Python finds it; no
  folder is added to the search path.
* A function runs within this process and can do what this process can. It has a thread of its own,
  an async one with a loop of its own there, so that nothing it blocks keeps the module down. When
  its time is over an async one is cancelled; a plain one is abandoned, and may still act later.
* Exit code 75 (``EX_TEMPFAIL``) or ``HookVetoError`` is a veto at ``before-upgrade`` and
  ``before-stop``. Anywhere else it is a failure like any other.
* In a rehearsal only those hooks run that say so.
"""
