"""What is Juno's own: how its projects and tools say things, what its modules are, its releases.

Meaning only: nothing here changes a module. In here: ``roles`` (what a module says that it is),
``package`` (reading that of an installed one), ``guards`` (what may follow what), ``discovery``
(what a mission control looks after), ``releases``, ``config`` (the ids and ports of a project's
``juno.config``) and ``config_code`` (the same where it is code, through the user's Node);
``credentials`` (keys on this machine). ``pipeline``, ``flow`` and ``cli`` may import it; it knows
the network's layers, but neither settings nor operations. ``configuration``, ``settable`` and
``saved`` are what a reset would lose. Decisions about that:

* Everything is handled under the types with which the module sent it, so that settings of later
  releases go back as well. Only the access keys and the storage mode are understood, since a fresh
  module is installed with them.
* Compared is whether all that was there is there again: more may be, and lists are taken as sets.
* A module that names no administrator is not reset: nobody could tell the new one anything.

Decisions about roles:

* A module is what its certified metadata says, whatever it is called; where that differs from what
  ``-t`` or the configuration calls it, nothing is done to it by an upgrade.
* A Wasm that does not say what it is is no satellite: the guards refuse it over a module that does.
* One without ``juno:package`` over a module with it is older, since releases never lost it again.
* The release of an extended satellite is that of the satellite it depends on.

Decisions about ``juno.config``:

* Names are tried in Juno's order: ``juno.config`` as ts, js, mjs, cjs, then ``juno.json``, then
  ``juno.config.json``. Juno looks in the working directory only. This does so first, and then goes
  up to the root of the repository, so that it works from a folder within; without a repository it
  looks nowhere else.
* The id of a satellite or an orbiter is ``ids[mode]``, else ``id``, else the older ``satelliteId``
  or ``orbiterId``, as in Juno. A mission control is not in this file.
* A placeholder of a template is an error when its id is needed, not before: many projects have no
  development module yet.
* A file that is code is run only where an answer of it is needed. Juno runs it in its own process,
  with its own identity at hand; here it gets a process of its own without what opens keys, a time
  limit, and no say but the one value it exports. It can still do what its owner can: it is theirs.
* ``@junobuild/config`` is always ours (``node/config_package.cjs``), as in Juno's CLI: its
  functions give back what they get, and the project need not have it installed.
* TypeScript becomes JavaScript by the project's own ``typescript`` (before version 7) or
  ``esbuild`` where it has one, since that allows all that Juno's does; else by Node itself.
"""
