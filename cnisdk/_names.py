"""Identifiers of the protocol: container id, network name, interface name, attachment."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from functools import cache
from typing import cast

import attrs

from cnisdk import errors
from cnisdk._problems import shown


_IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_TAG = r"\S+, net: (?P<network>.+), if: (?P<ifname>.+), id: (?P<container_id>.*)"
_TAG_BYTES = 128
_HASH_DIGITS = 128  # of SHA-512
_KEY_LENGTH = 33
_IFNAME_BYTES = 15  # IFNAMSIZ less the terminating zero


def is_identifier(value: str) -> bool:
    """Whether a container id or network name is well-formed (SPEC sections 1 and 2)."""
    return _IDENTIFIER.fullmatch(value) is not None


def ifname_problem(name: str) -> str:
    """Why the kernel or the specification refuses this interface name; "" when it is fine."""
    if not name:
        return "interface name is empty"
    if len(name.encode(errors="replace")) > _IFNAME_BYTES:
        return "interface name is too long: should be less than 16 characters"
    if name in {".", ".."}:
        return "interface name is . or .."
    if any(character in "/:" or character.isspace() for character in name):
        return "interface name contains / or : or whitespace characters"
    if not name.isprintable():
        return "interface name contains unprintable characters"
    return ""


def check_network_name(name: str) -> str:
    """Return the name, or raise `errors.InvalidConfig` naming it."""
    if not name:
        raise errors.InvalidConfig(
            "missing network name", details='the configuration needs a "name", such as "mynet"'
        )
    if not is_identifier(name):
        raise errors.InvalidConfig(
            f"invalid characters found in network name {shown(name)}",
            details="a network name starts with a letter or digit and goes on with letters, "
            "digits, '_', '.' or '-'",
        )
    return name


def stale_owners(network: str, valid: Collection[Attachment]) -> Callable[[str], bool]:
    """Tells the owner tags, and the keys, of a network's attachments that are not valid."""
    prefix = f"{short_hash(network)}-"
    keys = {attachment.key for attachment in valid}
    return lambda tag: tag.startswith(prefix) and tag[:_KEY_LENGTH] not in keys


def short_hash(text: str, digits: int = 16) -> str:
    """The first 16 hex digits of SHA-512, or more: how the Go plugins shorten names."""
    # A name from a defective configuration may hold anything that JSON can spell.
    return _sha512(text.encode(errors="surrogatepass"))[:digits]


@cache
def _sha512(data: bytes) -> str:
    try:
        # hashlib loads OpenSSL, 4 ms; the interpreter has an implementation of its own.
        module = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha512")
    except ImportError:
        module = __import__("hashlib")
    return cast("str", module.sha512(data).hexdigest())


@attrs.frozen(order=True)
class Attachment:
    """One container's interface on one network: the triple every effect is owned by."""

    network: str
    """The network's name."""
    container_id: str
    """CNI_CONTAINERID."""
    ifname: str
    """CNI_IFNAME."""

    @property
    def network_hash(self) -> str:
        """Sixteen hex digits naming the network."""
        return short_hash(self.network)

    @property
    def instance_hash(self) -> str:
        """Sixteen hex digits naming container and interface within the network."""
        return short_hash(f"{self.ifname}:{self.container_id}")

    @property
    def key(self) -> str:
        """Two hashes that name the attachment; a safe file name."""
        return f"{self.network_hash}-{self.instance_hash}"

    @property
    def owner_tag(self) -> str:
        """The text that marks an object outside the container as this attachment's.

        Hashes first, so that owner and network are recognised however the rest is cut; at most
        128 bytes, the room of an nft comment. The form is the Go masquerade helper's.
        """
        tag = f"{self.key}, net: {self.network}, if: {self.ifname}, id: {self.container_id}"
        return tag.replace('"', "").encode(errors="replace")[:_TAG_BYTES].decode(errors="ignore")

    def hashed_name(self, prefix: str, length: int, *, ifname: bool = False) -> str:
        """A name made of a hash of network and container id, as the Go plugins make theirs.

        Args:
            prefix: What it starts with.
            length: How many characters it has in all.
            ifname: Put the interface name into the hash too, which the Go plugins do not.

        Raises:
            ValueError: the length leaves no room for a hash, or more than a hash has.
        """
        if not 0 < length - len(prefix) <= _HASH_DIGITS:
            raise ValueError(f'a name of {length} characters that begins with "{prefix}"')
        text = f"{self.network}{self.container_id}{self.ifname if ifname else ''}"
        return prefix + short_hash(text, length - len(prefix))

    def owns(self, tag: str) -> bool:
        """Whether an owner tag found in the kernel is this attachment's."""
        return tag.startswith(self.key)

    def shares_container(self, tag: str) -> bool:
        """Whether an owner tag found in the kernel is one of this attachment's container.

        Of an id the tag has no room for, its beginning is compared.
        """
        owner = self.from_tag(tag)
        if owner is None or not owner.container_id:
            return False
        is_cut = len(tag.encode()) >= _TAG_BYTES - 3
        return self.container_id == owner.container_id or (
            is_cut and self.container_id.startswith(owner.container_id)
        )

    @staticmethod
    def is_tag(text: str) -> bool:
        """Whether a text found in the kernel has the form of an attachment's owner tag."""
        key, comma, _ = text.partition(", net: ")
        network, dash, instance = key.partition("-")
        hashes = network + instance
        return bool(comma and dash) and len(hashes) == 32 and hashes.isalnum()

    @classmethod
    def from_tag(cls, text: str) -> Attachment | None:
        """Whose an owner tag found in the kernel is, for messages; None when it is no tag.

        A tag has room for 128 bytes, so the container id may have been cut.
        """
        found = re.fullmatch(_TAG, text) if cls.is_tag(text) else None
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        return f"{self.container_id}/{self.ifname} on {self.network}"


def parse_cni_args(text: str) -> dict[str, str]:
    """Split ``K=V;K2=V2`` (CNI_ARGS). The first "=" separates; empty pairs are skipped.

    Raises:
        errors.InvalidEnvironment: a pair without "=" or with an empty key (code 4).
    """
    arguments: dict[str, str] = {}
    for pair in text.split(";"):
        if not pair.strip():
            continue
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise errors.InvalidEnvironment(
                f"CNI_ARGS: invalid pair {shown(pair)}",
                details="CNI_ARGS is KEY=VALUE pairs separated by semicolons",
            )
        arguments[key.strip()] = value
    return arguments
