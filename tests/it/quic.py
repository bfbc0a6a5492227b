"""DNS over QUIC (RFC 9250) and over HTTP/3 (RFC 9114, RFC 8484), spoken by aioquic.

quic.py doq|h3 ADDRESS PORT CA NAME: opens one connection; each line of standard input is a message in
hexadecimal, sent on a stream of its own, and each line of output what came of it.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset


class Dns(QuicConnectionProtocol):
    """One exchange at a time; `end` holds how it ended."""

    def begin(self, mode, authority):
        self.authority = authority
        self.http = H3Connection(self._quic) if mode == "h3" else None
        self.end, self.body, self.headers = None, b"", {}

    async def exchange(self, message):
        self.end, self.body, self.headers = asyncio.get_running_loop().create_future(), b"", {}
        stream = self._quic.get_next_available_stream_id()
        if self.http:
            headers = [
                (b":method", b"POST"),
                (b":scheme", b"https"),
                (b":authority", self.authority.encode()),
                (b":path", b"/dns-query"),
                (b"content-type", b"application/dns-message"),
                (b"accept", b"application/dns-message"),
            ]
            self.http.send_headers(stream, headers)
            self.http.send_data(stream, message, end_stream=True)
        else:
            framed = len(message).to_bytes(2, "big") + message
            self._quic.send_stream_data(stream, framed, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(self.end, 20)

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.finish(f"closed {event.error_code}")
        elif isinstance(event, StreamReset):
            self.finish(f"reset {event.error_code}")
        elif self.http:
            for part in self.http.handle_event(event):
                self.take(part)
        elif isinstance(event, StreamDataReceived):
            self.body += event.data
            if event.end_stream:
                whole = len(self.body) == 2 + int.from_bytes(self.body[:2], "big")
                self.finish(f"reply {self.body[2:].hex()}" if whole else f"odd {self.body.hex()}")

    def take(self, part):
        if isinstance(part, HeadersReceived):
            self.headers.update((name.decode(), value.decode()) for name, value in part.headers)
        elif isinstance(part, DataReceived):
            self.body += part.data
        if part.stream_ended:
            status, kept = self.headers.get(":status"), self.headers.get("cache-control", "-").replace(" ", "")
            self.finish(f"{status} {kept} {self.headers.get('content-type')} {self.body.hex()}")

    def finish(self, words):
        if self.end and not self.end.done():
            self.end.set_result(words)


async def main(mode, address, port, authority, name):
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["doq" if mode == "doq" else "h3"], server_name=name
    )
    configuration.load_verify_locations(cafile=authority)
    configuration.verify_mode = ssl.CERT_REQUIRED
    async with connect(address, int(port), configuration=configuration, create_protocol=Dns) as client:
        client.begin(mode, name)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(await client.exchange(bytes.fromhex(line.strip())), flush=True)


asyncio.run(main(*sys.argv[1:]))
