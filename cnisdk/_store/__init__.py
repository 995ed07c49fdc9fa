"""State on disk: records of plugins (`Store`) and reserved addresses (`Reservations`).

What both promise: a crash at any moment leaves the state before or after a change; a lock is waited
for within the deadline and its holder is named; damage is put aside and never blocks DEL or GC;
what an earlier boot left is recognised; no symbolic link is followed in a state directory.

Nothing is imported here: a plugin with reservations need not load records, nor the reverse.
"""
