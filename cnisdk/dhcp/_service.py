"""What is answered on the daemon's socket: JSON-RPC 1.0, one object a line, or what the Go plugin speaks."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import struct
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cnisdk import errors
from cnisdk._names import Attachment, parse_cni_args
from cnisdk._result_json import encode
from cnisdk.dhcp import _go
from cnisdk.dhcp._leases import Leases, Request
from cnisdk.dhcp._options import Wishes
from cnisdk.versions import NEWEST


if TYPE_CHECKING:
    from cnisdk._log import Log

LONGEST = 1 << 20
"""Bytes of a request."""
_T = TypeVar("_T")
_CREDENTIALS = struct.Struct("3i")


class Service:
    """Answers plugins.

    Args:
        leases: The leases.
        host_prefix: Prepended to the paths of namespaces.
        log: Told of failures.
    """

    def __init__(self, leases: Leases, host_prefix: str, log: Log) -> None:
        self._leases = leases
        self._prefix = host_prefix
        self._log = log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            if not _is_trusted(writer):
                return
            first = await reader.readline()
            if first.startswith(b"CONNECT "):
                await self._serve_go(reader, writer)
                return
            while first:
                writer.write(await self._attended(self._answer(first), writer) + b"\n")
                await writer.drain()
                first = await reader.readline()
        except (OSError, ValueError, asyncio.IncompleteReadError) as failure:
            self._log.info("connection ended", reason=str(failure))
        finally:
            writer.close()

    async def _serve_go(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            continue  # its headers, to an empty line
        writer.write(_go.CONNECTED)
        connection = _go.Connection(reader, writer)
        while (call := await connection.receive()) is not None:
            try:
                done = await self._attended(self._called(call.method, call.arguments), writer)
            except errors.CniError as failure:
                connection.refuse(call, failure.msg)
            else:
                connection.answer(call, done)
            await writer.drain()

    async def _answer(self, line: bytes) -> bytes:
        number: object = None
        try:
            question = json.loads(line)
            number = question.get("id")
            (arguments,) = question["params"]
            result = await self._called(str(question["method"]), arguments)
            answer: dict[str, Any] = {"id": number, "result": result, "error": None}
        except errors.CniError as failure:
            answer = {"id": number, "result": None, "error": _error(failure)}
        except (LookupError, TypeError, ValueError, AttributeError) as failure:
            answer = {"id": number, "result": None, "error": _error(self._malformed(failure))}
        return json.dumps(answer).encode()

    async def _called(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a method does; whatever goes wrong is an answer too."""
        try:
            return await self._done(method, given)
        except errors.CniError as failure:
            self._log.warning("request refused", method=method, reason=str(failure))
            raise
        except OSError as failure:
            self._log.error("request failed", method=method, reason=str(failure))
            raise errors.IoFailure(f"{failure.strerror or failure}") from failure
        except (LookupError, TypeError, ValueError, AttributeError) as failure:
            raise self._malformed(failure) from failure

    def _malformed(self, failure: Exception) -> errors.DecodingFailure:
        problem = errors.DecodingFailure(f"malformed request: {failure!r}")
        self._log.warning("request refused", reason=problem.msg)
        return problem

    async def _done(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {key.lower(): value for key, value in given.items()}
        match method:
            case "DHCP.Allocate":
                lease = await self._leases.allocate(self._request(arguments))
                return encode(lease.result, NEWEST)
            case "DHCP.Check":
                lease = await self._leases.check(self._request(arguments), arguments["addresses"])
                return encode(lease.result, NEWEST)
            case "DHCP.Release":
                await self._leases.release(_attachment(arguments))
                return {}
            case "DHCP.Retain":
                network = arguments["network"]
                valid = {Attachment(network, *pair) for pair in arguments["valid"]}
                gone = await self._leases.retain(network, valid)
                return {"released": [str(each) for each in gone]}
            case "DHCP.Status":
                return {"leases": len(self._leases), "pid": os.getpid()}
            case _:
                raise errors.InvalidConfig(f'the DHCP daemon has no method "{method}"')

    def _request(self, arguments: Mapping[str, Any]) -> Request:
        network = _network(arguments)
        folded = {key.lower(): value for key, value in network.items()}
        ipam: Mapping[str, Any] = folded.get("ipam") or {}
        return Request(
            attachment=_attachment(arguments),
            netns=self._prefix + str(arguments["netns"]),
            wishes=Wishes.of(ipam, parse_cni_args(arguments.get("args") or "")),
            seconds=float(arguments.get("seconds") or "inf"),
        )

    async def _attended(self, work: Awaitable[_T], writer: asyncio.StreamWriter) -> _T:
        """Do something, unless whoever wanted it goes away."""
        task = asyncio.ensure_future(work)
        watch = asyncio.create_task(_hung_up(writer))
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
                raise ConnectionError("the plugin has gone")
            return await task
        finally:
            task.cancel()
            watch.cancel()


def _network(arguments: Mapping[str, Any]) -> dict[str, Any]:
    document: object = arguments.get("stdindata") or {}
    if isinstance(document, bytes | str):
        document = json.loads(document)
    if not isinstance(document, dict):
        raise errors.DecodingFailure("StdinData: expected an object")
    return cast("dict[str, Any]", document)


def _attachment(arguments: Mapping[str, Any]) -> Attachment:
    folded = {key.lower(): value for key, value in _network(arguments).items()}
    return Attachment(
        str(folded.get("name") or ""), str(arguments["containerid"]), str(arguments["ifname"])
    )


def _error(failure: errors.CniError) -> dict[str, Any]:
    return {
        "code": failure.code,
        "msg": failure.msg,
        "details": failure.details,
        "hint": failure.hint,
    }


def _is_trusted(writer: asyncio.StreamWriter) -> bool:
    """Only root, and whoever runs the daemon: what is asked for is done with its rights."""
    peer: socket.socket = writer.get_extra_info("socket")
    packed = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(packed)
    return user in {0, os.geteuid()}


async def _hung_up(writer: asyncio.StreamWriter) -> None:
    """Wait until the other side is closed for good; half of it may be."""
    peer: socket.socket = writer.get_extra_info("socket")
    poll = select.poll()
    poll.register(peer.fileno(), 0)  # a hang-up is always told
    while not poll.poll(0):  # noqa: ASYNC110  # the loop cannot tell it from a half-closed socket
        await asyncio.sleep(0.2)
