"""add, check, del, gc and status: a runtime on the command line, through installed plugins."""

import json
import os

import pytest

from cnisdk.cli import _output
from cnisdk.runtime import container_id_for


NETNS = "/nonexistent/netns"  # host-local never opens it


@pytest.fixture
def pool(plugins, cnisdk):
    """A network of addresses; returns a function that runs a verb on it."""
    plugins.write("10-pool.conflist", plugins.pool())

    def run(verb, *words):
        return cnisdk(verb, "pool", *words, "--cache-dir", plugins.cache)

    return run


def reservations(node):
    directory = node.root / "data" / "pool"
    return sorted(each for each in os.listdir(directory) if each.startswith("10."))


def test_an_attachment_is_added_checked_and_deleted(plugins, pool):
    """The whole life of an attachment, and nothing is left of it."""
    added = pool("add", NETNS, "--json")
    assert added.code == 0
    assert added.json["ips"][0]["address"] == "10.9.0.2/29"

    assert pool("check", NETNS).code == 0
    assert pool("status").code == 0

    deleted = pool("del", NETNS, "--json")
    assert deleted.json == {
        "ok": True,
        "network": "pool",
        "containerID": container_id_for(NETNS),
        "ifname": "eth0",
    }
    assert reservations(plugins) == []
    assert pool("del", NETNS).code == 0  # repeatable


def test_an_attachment_outlives_the_file_of_its_network(plugins, pool):
    """The configuration of ADD is in the cache."""
    assert pool("add", NETNS).code == 0
    (plugins.conf / "10-pool.conflist").unlink()

    assert pool("del", NETNS).code == 0

    assert reservations(plugins) == []
    assert pool("del", NETNS).code == 1  # nothing is known any more


@pytest.mark.parametrize("words", [["--args", "IP=10.9.0.4"], ["--capability-args", '{"a": 1}']])
def test_a_check_gets_what_add_got(pool, words):
    """SPEC section 2, CHECK: with the same parameters."""
    assert pool("add", NETNS).code == 0

    outcome = pool("check", NETNS, *words)

    assert outcome.code == 1
    assert "must be what ADD had" in outcome.stderr


def test_the_namespace_of_the_host_is_no_container(plugins, pool):
    """Refused before any plugin is run."""
    outcome = pool("add", "/proc/self/ns/net")

    assert outcome.code == 1
    assert '"/proc/self/ns/net" is the network namespace of this process' in outcome.stderr
    assert not (plugins.root / "data").exists()


def test_the_result_is_shown_as_a_table(pool):
    """Addresses, gateways and routes at a glance."""
    outcome = pool("add", NETNS, "--container-id", "c1")

    assert "added c1/eth0 to pool" in outcome.stdout
    assert "10.9.0.2/29" in outcome.stdout
    assert "10.9.0.1" in outcome.stdout


def test_a_name_means_a_namespace_of_ip_netns(plugins, pool):
    """H7: no need to type /run/netns."""
    outcome = pool("add", "blue", "--json")

    assert outcome.code == 0
    assert (container_id_for("/run/netns/blue")) in os.listdir(plugins.cache / "results")[0]


def test_an_error_is_explained(pool):
    """Code with its name, message, details, what to do next; no traceback, no repetition."""
    for number in range(5):
        assert pool("add", NETNS, "--container-id", f"c{number}").code == 0

    outcome = pool("add", NETNS, "--container-id", "c9", "--json")

    assert outcome.code == 1
    assert outcome.json["code"] == 11
    assert outcome.stderr.startswith('error: plugin type="host-local" name="pool" failed (add):')
    assert "11 (try again later)" in outcome.stderr
    assert "5 of 5 addresses" in outcome.stderr
    assert "next" in outcome.stderr
    assert outcome.stderr.count("no IP addresses available") == 1


def test_a_check_that_finds_something_wrong_fails(plugins, pool):
    """Exit status 1 and the object's name."""
    assert pool("add", NETNS).code == 0
    (plugins.root / "data" / "pool" / "10.9.0.2").unlink()

    outcome = pool("check", NETNS)

    assert outcome.code == 1
    assert "10.9.0.2" in outcome.stderr


@pytest.mark.usefixtures("pool")
def test_an_unknown_network_is_answered_with_the_known_ones(cnisdk):
    """A typing error is the most frequent cause."""
    outcome = cnisdk("status", "poool")

    assert outcome.code == 1
    assert "networks there: pool" in outcome.stderr


def test_a_network_may_be_given_by_its_file(plugins, cnisdk):
    """For trying out a file before it is put in place."""
    path = plugins.root / "try.conflist"
    path.write_text(json.dumps(plugins.pool("trial")))

    outcome = cnisdk("status", path, "--json")

    assert outcome.json == {"ok": True, "network": "trial"}


def test_gc_has_to_be_told_what_is_valid(plugins, pool):
    """Nothing is deleted by default, and the ways of saying it exclude each other."""
    assert pool("add", NETNS).code == 0

    assert pool("gc").code == 2
    assert pool("gc", "--stale", "--everything").code == 2
    assert pool("gc", "--valid", ":eth0").code == 2
    assert reservations(plugins) == ["10.9.0.2"]


def test_gc_removes_what_is_not_named(plugins, pool):
    """--valid takes CONTAINER or CONTAINER:IFNAME."""
    for number in range(3):
        pool("add", NETNS, "--container-id", f"c{number}")

    outcome = pool("gc", "--valid", "c0", "--valid", "c1:eth0", "--json")

    assert outcome.json["removed"] == [{"containerID": "c2", "ifname": "eth0"}]
    assert [each["containerID"] for each in outcome.json["valid"]] == ["c0", "c1"]
    assert reservations(plugins) == ["10.9.0.2", "10.9.0.3"]


def test_gc_of_stale_attachments_goes_by_their_namespaces(plugins, pool):
    """What a reboot or a crash leaves goes; what is alive stays."""
    alive = plugins.root / "netns"
    alive.write_text("")
    pool("add", alive, "--container-id", "alive")
    pool("add", NETNS, "--container-id", "dead")

    outcome = pool("gc", "--stale", "--json")

    assert [each["containerID"] for each in outcome.json["removed"]] == ["dead"]
    assert reservations(plugins) == ["10.9.0.2"]


def test_gc_of_everything_keeps_nothing(plugins, pool):
    """cnitool's gc, when it is asked for in so many words."""
    pool("add", NETNS)

    assert pool("gc", "--everything").code == 0
    assert reservations(plugins) == []


@pytest.fixture
def echo(node, cnisdk):
    """A network whose plugin answers with what it was given, in the error's message."""
    script = """\
test "$CNI_COMMAND" = ADD || exit 0
read -r stdin
printf '{"cniVersion": "1.1.0", "code": 100, "msg": "seen", "details": "%s %s %s"}' \\
  "$CNI_ARGS" "$CNI_IFNAME" "$(echo "$stdin" | sed 's/"/~/g')"
exit 1"""
    node.executable("echo", script)
    plugin = {"type": "echo", "capabilities": {"mac": True}}
    node.write("1.conflist", {"cniVersion": "1.1.0", "name": "echo", "plugins": [plugin]})

    def run(*words):
        outcome = cnisdk("add", "echo", NETNS, "--cache-dir", node.cache, "--json", *words)
        assert outcome.json["msg"].endswith("seen")
        return outcome.json["details"]

    return run


def test_arguments_reach_the_plugins(echo):
    """--args, --ifname and --capability-args."""
    words = ("--args", "A=1", "--args", "B=2=3", "--ifname", "net1")

    details = echo(*words, "--capability-args", '{"mac": "02:00:00:00:00:01", "x": 1}')

    assert details.startswith("A=1;B=2=3 net1 ")
    assert "~runtimeConfig~: {~mac~: ~02:00:00:00:00:01~}" in details


def test_the_variables_of_cnitool_work_too(echo, monkeypatch):
    """CNI_ARGS, CNI_IFNAME and CAP_ARGS; options win over them."""
    monkeypatch.setenv("CNI_ARGS", "A=1;B=2")
    monkeypatch.setenv("CNI_IFNAME", "net2")
    monkeypatch.setenv("CAP_ARGS", '{"mac": "02:00:00:00:00:02"}')

    assert echo().startswith("A=1;B=2 net2 ")
    assert "02:00:00:00:00:02" in echo()
    assert echo("--args", "C=3", "-i", "net3").startswith("C=3 net3 ")


@pytest.mark.parametrize(
    "words",
    [
        ("--args", "novalue"),
        ("--args", "=x"),
        ("--capability-args", "{"),
        ("--capability-args", "[]"),
    ],
)
def test_malformed_arguments_are_usage_errors(pool, words):
    """Nothing is run when the command line makes no sense."""
    outcome = pool("add", NETNS, *words)

    assert outcome.code == 2
    assert words[1] in outcome.stderr or "JSON" in outcome.stderr


def test_what_plugins_print_is_passed_on(node, cnisdk):
    """stderr is where authors look while they write their plugin."""
    node.executable("chatty", 'echo "almost there" >&2; echo "{}"')
    plugin = {"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "chatty"}]}
    node.write("1.conflist", plugin)

    outcome = cnisdk("status", "n")

    assert outcome.code == 0
    assert "almost there" in outcome.stderr


def test_messages_of_plugins_cannot_control_the_terminal(node, cnisdk):
    """Escape sequences are spelled out, and brackets are no markup."""
    answer = r'{"cniVersion": "1.1.0", "code": 100, "msg": "[red]\u001b[2J", "details": "[/]"}'
    node.executable("rogue", f"cat <<'END'\n{answer}\nEND\nexit 1")
    plugin = {"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": "rogue"}]}
    node.write("1.conflist", plugin)

    outcome = cnisdk("status", "n")

    assert outcome.code == 1
    assert r"[red]\x1b[2J" in outcome.stderr
    assert "\x1b" not in outcome.stderr


def test_every_reserved_code_has_a_name_and_a_way_out():
    """The table of explanations is complete."""
    for code in (1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 999):
        assert _output.code_name(code) != "the plugin's own"
        assert code in _output._NEXT
    assert _output.code_name(123) == "the plugin's own"
