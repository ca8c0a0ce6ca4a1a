#!/usr/bin/env python3
"""Records what real client libraries and the simulated Gateway say to each other, byte for byte.

    python3 tests/clients/fixtures.py --binary target/debug/twsmux [--out proto-fixtures]

Each library makes its full tour at each version through a relay that copies both directions into files:

    OUT/LIBRARY-vVERSION/client.bin     all bytes that the client sent, the `API` prefix and its greeting included
    OUT/LIBRARY-vVERSION/gateway.bin    all bytes that the simulated Gateway answered

The simulator starts from the same seed each time, but prices and times go with the clock, so a second recording has the
same messages and not the same bytes. Existing recordings of the same name are replaced, others are left alone.
"""

import argparse
import os
import shutil
import socket
import sys
import tempfile
import threading

import run

# Library -> versions at which its frames have different forms.
RECORDINGS = {
    "ib_insync": [157, 176],
    "ib_async": [157, 176, 178],
    "ibapi": [157],
    "ibapi-stable": [157, 176, 200, 201, 213, 226],
    "stoqey": [176, 193],
    "rust-ibapi": [226],
}


def relay(upstream_port, directory):
    """Listens for one connection, passes it on to the port and keeps both directions. Returns the port it listens on."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink, path):
        with open(path, "wb") as file:
            while True:
                try:
                    data = source.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    break
                file.write(data)
                file.flush()
                try:
                    sink.sendall(data)
                except OSError:
                    break
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        client, _ = listener.accept()
        listener.close()
        gateway = socket.create_connection(("127.0.0.1", upstream_port))
        for one in (client, gateway):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [(client, gateway, "client.bin"), (gateway, client, "gateway.bin")]
        threads = [
            threading.Thread(target=pump, args=(a, b, os.path.join(directory, name)), daemon=True) for a, b, name in ways
        ]
        for thread in threads:
            thread.start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def record(s, library, version, out):
    """One tour of one library at one version, into a directory of its own."""
    directory = os.path.join(out, f"{library}-v{version}")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    _, port = s.sim(version, "--seed", "1")
    found = s.tours(relay(port, directory), [(library, 7)])
    (transcript,) = found.values()
    run.check(transcript["server_version"] == version, f"{library} speaks {transcript['server_version']}, not {version}")
    sizes = [os.path.getsize(os.path.join(directory, name)) for name in ("client.bin", "gateway.bin")]
    print(f"{directory}: {sizes[0]} bytes sent, {sizes[1]} bytes answered", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Records real clients against the simulated Gateway.")
    parser.add_argument("--binary", required=True, help="the twsmux program whose simulator answers")
    parser.add_argument("--out", default=os.path.join(run.HERE, "..", "..", "proto-fixtures"))
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    with tempfile.TemporaryDirectory(prefix="twsmux-fixtures-") as scratch:
        for library, versions in RECORDINGS.items():
            for version in versions:
                directory = os.path.join(scratch, f"{library}-{version}")
                os.makedirs(directory)
                s = run.Scenario("fixtures", os.path.abspath(args.binary), directory)
                try:
                    record(s, library, version, out)
                finally:
                    s.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
