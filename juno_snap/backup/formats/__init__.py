"""Other tools' directories: what icp-cli and dfx write, and what Juno's command line writes.

Both are read and written. What a format cannot carry is refused where it would come back as
something else, and told where it is merely lost.
"""
