"""The state oracle: what a machine looks like, and what has changed."""

from cni_conformance.state._state import Observer as Observer
from cni_conformance.state._state import State as State
