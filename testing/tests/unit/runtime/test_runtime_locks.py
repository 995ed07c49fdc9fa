"""What excludes what: one operation per container, GC alone on its network."""

import threading
import time

import pytest

from cnisdk import errors
from cnisdk.runtime import Parameters
from cnisdk.runtime._locks import Locks


@pytest.fixture
def locks(tmp_path, warnings):
    def make(seconds=5.0):
        return Locks(str(tmp_path / "cache"), seconds, warnings.append)

    return make


def refused(lock):
    with pytest.raises(errors.TryAgainLater), lock:
        pass
    return True


def test_attachments_of_different_containers_run_side_by_side(locks):
    """SPEC section 3: parallel operations for different containers are allowed."""
    with locks(0.1).attachment("net", "c1"), locks(0.1).attachment("net", "c2"):
        pass

    assert True, "neither waited"


def test_operations_of_one_container_exclude_each_other_across_networks(locks):
    """SPEC section 3: no parallel operations for the same container."""
    with locks().attachment("net", "c1"):
        assert refused(locks(0.1).attachment("other", "c1"))
        assert refused(locks(0.1).container("c1"))


def test_gc_waits_for_add_and_delete_of_its_network(locks):
    """G4, SPEC section 3: gc exclusively."""
    with locks().attachment("net", "c1"):
        assert refused(locks(0.1).network("net"))
        with locks(0.1).network("other"):
            pass


def test_add_and_delete_wait_for_gc(locks):
    """G4: and the error names the lock and its holder."""
    with locks().network("net"):
        lock = locks(0.1).attachment("net", "c1")
        with pytest.raises(errors.TryAgainLater, match=r"another call holds .*pid") as caught, lock:
            pass
        with locks(0.1).attachment("other", "c1"):
            pass

    assert caught.value.code == 11


def test_a_waiting_gc_is_not_starved_by_new_adds(locks):
    """G4: the gate is shut for those who come after it."""
    order = []

    def collect():
        with locks().network("net"):
            order.append("gc")

    with locks().attachment("net", "c1"):
        collector = threading.Thread(target=collect)
        collector.start()
        time.sleep(0.2)
        late = threading.Thread(target=lambda: enter(locks(), order))
        late.start()
        time.sleep(0.2)
    collector.join()
    late.join()

    assert order == ["gc", "add"]


def enter(locks, order):
    with locks.attachment("net", "c2"):
        order.append("add")


def test_locks_are_given_back_after_an_error(locks):
    """Nobody waits for an operation that failed."""
    with pytest.raises(KeyError), locks().network("net"):
        raise KeyError

    with locks(0.1).network("net"), locks(0.1).container("c1"):
        pass


def test_without_a_lock_directory_work_goes_on_with_a_warning(tmp_path, warnings):
    """A read-only disk must not keep DEL from running."""
    (tmp_path / "file").write_text("")

    with Locks(str(tmp_path / "file"), 1.0, warnings.append).network("net"):
        pass

    assert "operations are not serialised" in warnings[0]


def test_gc_during_an_add_comes_after_it(bin_dir, runtime, network, blue):
    """G4: the attachment that was being made is not mistaken for a stale one."""
    made = network("one", version="1.1.0")
    bin_dir.script("one", "ADD", "sleep 0.5; echo '{}'")
    adder = threading.Thread(target=runtime.add, args=(made, blue))
    adder.start()
    time.sleep(0.2)

    runtime.gc(made, [("c1", "eth0")])
    adder.join()

    assert bin_dir.order == ["one ADD", "one GC"]
    assert runtime.cache.read(blue.of("net")).complete


def test_a_delete_during_an_add_comes_after_it(bin_dir, runtime, network, blue):
    """G2: DEL arrives while ADD is still running."""
    made = network("one")
    bin_dir.script("one", "ADD", "sleep 0.5; echo '{}'; echo end >> \"$here/../../ended\"")
    adder = threading.Thread(target=runtime.add, args=(made, blue))
    adder.start()
    time.sleep(0.2)

    runtime.delete(made, Parameters("c1"))
    adder.join()

    assert bin_dir.calls[1].stdin["prevResult"] == {"cniVersion": "1.0.0"}
    assert runtime.cache.read(blue.of("net")) is None
