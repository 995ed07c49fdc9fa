"""Pass calls on to a gRPC server: one call per line, an answer per line.

A process of its own, since gRPC starts threads, which tests that fork had better not have.

    in:  METHOD BASE64
    out: + BASE64 or - ERROR
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode

import grpc


def main(socket: str) -> None:
    # Unless told otherwise gRPC sends the socket's path as authority, which Go's servers refuse.
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix://{socket}", options=options) as channel:
        for line in sys.stdin:
            method, _, request = line.strip().partition(" ")
            call = channel.unary_unary(method)
            try:
                answer = call(b64decode(request), timeout=60, wait_for_ready=True)
            except grpc.RpcError as failure:
                print("-", " ".join(f"{failure.code()} {failure.details()}".split()), flush=True)
            else:
                print("+", b64encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
