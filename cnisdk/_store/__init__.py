"""State on disk: records of plugins (`Store`) and reserved addresses (`Reservations`).

What both promise: a crash at any moment leaves the state before or after a change; a lock is waited
for within the deadline and its holder is named; damage is put aside and never blocks DEL or GC;
what an earlier boot left is recognised; no symbolic link is followed in a state directory.
"""

from cnisdk._store._layout import Holder
from cnisdk._store._lock import locked
from cnisdk._store._locked_reservations import AddressTaken, Held, LockedReservations
from cnisdk._store._records import Record, Store
from cnisdk._store._reservations import Reservations


__all__ = [
    "AddressTaken",
    "Held",
    "Holder",
    "LockedReservations",
    "Record",
    "Reservations",
    "Store",
    "locked",
]
