#!/usr/bin/env python3
"""Lets the real client libraries loose on twsmux, several at a time, and checks what each of them saw.

    python3 tests/clients/run.py --binary target/debug/twsmux [--only NAME]... [--list]

Prints `PASS name` or `FAIL name reason` for each scenario and last `N passed, N failed`; exits 0 only if all passed.
Uses nothing but the standard library, talks to the loopback interface only and ends only processes that it started.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

import connecting
import trading

HERE = os.path.dirname(os.path.abspath(__file__))
PLACE = os.path.abspath(os.environ.get("TWSMUX_CLIENTS_DIR") or os.path.join(HERE, ".venvs"))

# Library -> its driver. Where a client is named, it is by this name.
DRIVERS = {
    "ib_async": [f"{PLACE}/ib_async/bin/python", f"{HERE}/ib_async_tour.py"],
    "ib_insync": [f"{PLACE}/ib_insync/bin/python", f"{HERE}/ib_insync_tour.py"],
    "ibapi": [f"{PLACE}/ibapi/bin/python", f"{HERE}/ibapi_tour.py"],
    "ibapi-stable": [f"{PLACE}/ibapi-stable/bin/python", f"{HERE}/ibapi_tour.py"],
    "stoqey": ["node", f"{HERE}/stoqey_tour.cjs"],
    "rust-ibapi": [f"{PLACE}/rust/debug/tour"],
}
# Likewise those that trade on and on.
TRADERS = {
    "ib_async": [f"{PLACE}/ib_async/bin/python", f"{HERE}/ib_trader.py", "ib_async"],
    "ib_insync": [f"{PLACE}/ib_insync/bin/python", f"{HERE}/ib_trader.py", "ib_insync"],
    "ibapi": [f"{PLACE}/ibapi/bin/python", f"{HERE}/ibapi_trader.py"],
    "ibapi-stable": [f"{PLACE}/ibapi-stable/bin/python", f"{HERE}/ibapi_trader.py"],
    "scripted": [sys.executable, f"{HERE}/scripted_trader.py"],
}
# Those that speak version 157. The Rust library offers nothing below 213.
ALL = [library for library in DRIVERS if library != "rust-ibapi"]

# And those that only connect and say what they hold.
CONNECTORS = {
    "ib_async": [f"{PLACE}/ib_async/bin/python", f"{HERE}/ib_connect.py", "ib_async"],
    "ib_insync": [f"{PLACE}/ib_insync/bin/python", f"{HERE}/ib_connect.py", "ib_insync"],
}

READY_SECONDS = 30
CLIENT_SECONDS = 150
SCENARIOS = []


class Failed(Exception):
    """A scenario did not show what it had to show."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def wait_until(condition, what, seconds):
    until = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < until, f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Process:
    """A process with its output in files, ended by its id alone."""

    def __init__(self, name, command, directory, told=False):
        """With `told` it can be told things, line by line."""
        self.name = name
        self.out_path = os.path.join(directory, f"{name}.out")
        self.err_path = os.path.join(directory, f"{name}.err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if told else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=os.environ | {"NO_COLOR": "1", "TWSMUX_CLIENTS_DIR": PLACE},
            )

    def output(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def complaints(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.child.poll() is None

    def tell(self, line):
        try:
            self.child.stdin.write(f"{line}\n".encode())
            self.child.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name} ended with {self.child.wait()}: {self.output()[-500:]}") from None

    def kill(self):
        """SIGKILL, as by a crash."""
        if self.running():
            self.child.kill()
        self.child.wait()

    def stop(self, seconds=20):
        """SIGTERM, and SIGKILL where that does not help. Returns the exit code, None after a kill."""
        if self.running():
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
        return self.child.returncode


class Scenario:
    """What one scenario starts, so that all of it can be ended, whatever happens."""

    def __init__(self, name, binary, directory, seed):
        self.name = name
        self.binary = binary
        self.seed = seed
        self.directory = directory
        self.processes = []
        self.count = 0

    def path(self, name):
        self.count += 1
        return os.path.join(self.directory, f"{self.count:02d}-{name}")

    def start(self, name, command, told=False):
        self.count += 1
        process = Process(f"{self.count:02d}-{name}", command, self.directory, told)
        self.processes.append(process)
        return process

    def _ready(self, process):
        """Waits for the `ready` line and returns its key=value pairs."""

        def line():
            return next((l for l in process.output().splitlines() if l.startswith("ready ")), None)

        wait_until(lambda: line() or not process.running(), f"the ready line of {process.name}", READY_SECONDS)
        check(line(), f"{process.name} ended with {process.child.returncode}: {process.complaints()[-500:]}")
        return dict(pair.split("=", 1) for pair in line().split()[1:] if "=" in pair)

    def sim(self, version=None, *extra):
        """Starts the simulated Gateway alone. Returns the process and its port."""
        limit = ["--max-server-version", str(version)] if version else []
        process = self.start("sim", [self.binary, "sim", "--listen", "127.0.0.1:0", *limit, *extra])
        return process, port_of(self._ready(process)["sim"])

    def driven_sim(self, version=None, *extra):
        """The same with what drives it in place of the process: a `trading.Gateway`, with its port as attribute."""
        limit = ["--max-server-version", str(version)] if version else []
        addresses = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
        where = self._ready(self.start("sim", [self.binary, "sim", *addresses, *limit, *extra]))
        gateway = trading.Gateway(port_of(where["control"]))
        gateway.port = port_of(where["sim"])
        return gateway

    def twsmux(self, version=None, upstream="sim", *extra, port=0, state=None):
        """Starts twsmux and returns it with its ports as attributes."""
        limit = ["--max-server-version", str(version)] if version else []
        addresses = ["--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
        command = [self.binary, "run", "--upstream", upstream, *addresses, "--state-dir", state or self.path("state")]
        process = self.start("twsmux", [*command, *limit, *extra])
        where = self._ready(process)
        process.port = port_of(where["listen"])
        process.admin = port_of(where["admin"])
        return process

    def client(self, library, port, client_id, *extra):
        command = [*DRIVERS[library], "--port", str(port), "--client-id", str(client_id), *map(str, extra)]
        process = self.start(f"{library}-{client_id}", command)
        process.library = library
        return process

    def transcript(self, process, seconds=CLIENT_SECONDS):
        """Waits for a client's end and returns its transcript, with the exit code as `exit`."""
        wait_until(lambda: not process.running(), f"{process.name} to end", seconds)
        return self.spoken(process) | {"exit": process.child.returncode}

    def spoken(self, process):
        text = process.output().strip()
        check(text.startswith("{") and "\n" not in text, f"{process.name} printed no transcript: {process.complaints()[-500:]}")
        return json.loads(text)

    def tours(self, port, clients, tour="full", *extra, meet=True):
        """Runs a tour with several clients [(library, client id)] at the same time; all have to succeed. Returns their
        transcripts by library and client id."""
        together = ["--meet", self.path("meet"), "--parties", len(clients)] if meet else []
        running = [self.client(library, port, number, "--tour", tour, *together, *extra) for library, number in clients]
        found = {(p.library, number): self.transcript(p) for p, (_, number) in zip(running, clients)}
        bad = [f"{library} as client {number}: {t['failure']}" for (library, number), t in found.items() if t["exit"]]
        for (library, number), t in found.items():
            if t["strangers"]:
                bad.append(f"{library} as client {number} saw {t['strangers'][:3]}")
        check(not bad, "; ".join(bad))
        return found

    def metrics(self, twsmux):
        """The samples of /metrics as {name{labels}: value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{twsmux.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {m[1]: float(m[2]) for m in (re.match(r"(\S+(?:\{.*\})?) (\S+)$", l) for l in lines if l[:1] != "#") if m}

    def one_upstream(self, twsmux):
        """One connection was made to the Gateway and none hangs there. The numbers are published once a second, so they
        are given a moment to become so."""
        for attempts_left in range(20, -1, -1):
            samples = self.metrics(twsmux)
            connects = {k: v for k, v in samples.items() if k.startswith("twsmux_upstream_connects_total")}
            zombies = {k: v for k, v in samples.items() if k.startswith("twsmux_upstream_close_wait_sockets")}
            if sum(connects.values()) == 1 and list(zombies.values()) == [0]:
                return
            check(attempts_left, f"expected one upstream connect and no CLOSE_WAIT: {connects} {zombies}")
            time.sleep(0.25)

    def tally(self, traders):
        """Leaves in the kept output how much the traders did and were told, and fails where that shows nothing."""
        found = trading.tally(traders.told.values())
        found["message rate exceeded"] = traders.gateway("stats")["stats"]["rate_violations"]
        with open(self.path("tally.json"), "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
        check(found["filled"] > 20 and found["cancelled"] > 5 and found["modifications"] > 10, f"too little happened: {found}")

    def ends_well(self, twsmux):
        check(twsmux.running(), f"twsmux ended by itself with {twsmux.child.returncode}")
        code = twsmux.stop()
        check(code == 0, f"twsmux ended with {code} on SIGTERM")

    def end(self):
        for process in self.processes:
            process.kill()


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def free_port():
    """A port for a server that is to come back under it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scenario(function):
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


def order_ids(transcript):
    return {step["order_id"] for step in transcript["steps"] if "order_id" in step}


def comparable(transcript):
    """A transcript without what may differ: volatile facts dropped, each id replaced by the order of its appearance."""
    labels = {}

    def label(number):
        return number if number == -1 else labels.setdefault(number, f"id {len(labels) + 1}")

    steps = []
    for step in transcript["steps"]:
        kept = {k: v for k, v in step.items() if k != "volatile"}
        for key in ("req_id", "order_id"):
            if key in kept:
                kept[key] = label(kept[key])
        steps.append(kept)
    errors = sorted({(str(label(e["id"])), e["code"]) for e in transcript["errors"]})
    return {"accounts": transcript["accounts"], "version": transcript["server_version"], "steps": steps, "errors": errors}


def difference(left, right):
    """The first place where two comparable transcripts differ, in words; None when they do not."""
    for key in ("accounts", "version", "errors"):
        if left[key] != right[key]:
            return f"{key}: {left[key]} against {right[key]}"
    for one, other in zip(left["steps"], right["steps"]):
        if one != other:
            keys = [k for k in one.keys() | other.keys() if one.get(k) != other.get(k)]
            return f"step '{one['step']}': " + ", ".join(f"{k} {one.get(k)!r} against {other.get(k)!r}" for k in keys)[:600]
    if len(left["steps"]) != len(right["steps"]):
        return f"{len(left['steps'])} steps against {len(right['steps'])}"
    return None


# Scenarios


@scenario
def simulator_alone(s):
    """The drivers and the simulated Gateway without anything between: what fails here is not the multiplexer's fault."""
    _, port = s.sim(157)
    s.tours(port, [(library, 1 + n) for n, library in enumerate(ALL)])
    _, port = s.sim(226)
    s.tours(port, [(library, 1 + n) for n, library in enumerate(["ibapi-stable", "rust-ibapi"])])


@scenario
def four_libraries_at_157(s):
    """ib_async, ib_insync and both official clients at once, twice: once with order ids that are all the same, once with
    those that nextValidId offers."""
    mux = s.twsmux(157)
    libraries = ["ib_async", "ib_insync", "ibapi", "ibapi-stable"]
    first = s.tours(mux.port, [(l, 11 + n) for n, l in enumerate(libraries)], "full", "--start-order-id", 500)
    ids = [order_ids(t) for t in first.values()]
    check(all(500 in i for i in ids), f"order id 500 should have been in use by all: {ids}")
    second = s.tours(mux.port, [(l, 21 + n) for n, l in enumerate(libraries)])
    for (library, _), t in [*first.items(), *second.items()]:
        check(t["server_version"] == 157, f"{library} was given version {t['server_version']}")
    s.one_upstream(mux)
    s.ends_well(mux)


@scenario
def four_libraries_at_176(s):
    """The default version, with @stoqey/ib in place of 9.81; one library twice."""
    mux = s.twsmux()
    clients = [("ib_async", 1), ("ib_insync", 2), ("stoqey", 3), ("ibapi-stable", 4), ("stoqey", 5)]
    for (library, _), t in s.tours(mux.port, clients).items():
        check(t["server_version"] == 176, f"{library} was given version {t['server_version']}")
    s.one_upstream(mux)
    s.ends_well(mux)


# Library -> the server versions that it offers.
OFFERED = {
    "ib_async": (157, 178),
    "ib_insync": (157, 176),
    "ibapi": (100, 157),
    "ibapi-stable": (100, 226),
    "stoqey": (100, 193),
    "rust-ibapi": (213, 226),
}


def any_client_on_a_gateway_at(version):
    """All libraries at once on one upstream, each at its own version, with order ids that are all the same."""

    def run(s):
        mux = s.twsmux(version)
        clients = [(library, 11 + n) for n, library in enumerate(OFFERED)]
        found = s.tours(mux.port, clients, "full", "--start-order-id", 500)
        for (library, _), t in found.items():
            least, most = OFFERED[library]
            told = min(max(version, least), most)
            check(t["server_version"] == told, f"{library} was given version {t['server_version']}, not {told}")
        check(all(500 in order_ids(t) for t in found.values()), "order id 500 should have been in use by all")
        s.one_upstream(mux)
        s.ends_well(mux)

    run.__doc__ = any_client_on_a_gateway_at.__doc__
    SCENARIOS.append((f"any-client-on-a-gateway-at-{version}", run))


for gateway in (157, 176, 200, 213, 226):
    any_client_on_a_gateway_at(gateway)


@scenario
def a_client_id_in_use_is_refused_with_326(s):
    """A second client under an id is turned away while the first lives, and let in when it is gone."""
    mux = s.twsmux()
    holder = s.client("ibapi-stable", mux.port, 7, "--tour", "hang")
    wait_until(lambda: holder.output().endswith("\n"), "the first client 7", CLIENT_SECONDS)
    for library in ("ib_async", "ibapi-stable", "stoqey"):
        # ib_async waits for the end of its patience although the socket was closed.
        t = s.transcript(s.client(library, mux.port, 7, "--tour", "connect", "--patience", 5))
        check(t["exit"] != 0, f"a second client 7 ({library}) was let in")
        check(any(e["code"] == 326 for e in t["errors"]), f"{library} was not told 326 but {t['errors']}, {t['failure']}")
    check(holder.running(), "the first client 7 did not survive")
    s.tours(mux.port, [("ib_insync", 8)], "connect")
    holder.kill()
    time.sleep(0.5)
    s.tours(mux.port, [("ib_async", 7)], "connect")
    s.one_upstream(mux)


@scenario
def same_answers_as_without_twsmux(s):
    """Every library's tour through twsmux equals its tour at the simulated Gateway itself, but for ids; at each version
    at which the frames of a library change."""
    found = []
    for version, libraries in [
        (157, ALL),
        (176, ["ib_async", "ib_insync", "ibapi-stable", "stoqey"]),
        (178, ["ib_async", "stoqey"]),
        (193, ["ibapi-stable", "stoqey"]),
        (200, ["ibapi-stable", "ibapi-stable"]),
        (213, ["ibapi-stable", "rust-ibapi"]),
        (226, ["ibapi-stable", "rust-ibapi"]),
    ]:
        clients = [(library, 31 + n) for n, library in enumerate(libraries)]
        sim, direct = s.sim(version)
        expected = s.tours(direct, clients)
        sim.stop()
        mux = s.twsmux(version)
        seen = s.tours(mux.port, clients)
        s.ends_well(mux)
        for who in expected:
            text = difference(comparable(expected[who]), comparable(seen[who]))
            if text:
                found.append(f"{who[0]} at {version}: {text}")
    check(not found, "; ".join(found))


@scenario
def clients_killed_while_others_tour(s):
    """Clients that stream and are then killed, in three waves, leave nothing at the Gateway and disturb nobody."""
    mux = s.twsmux()
    meet = ["--meet", s.path("meet"), "--parties", 2]
    touring = [s.client("ib_insync", mux.port, 1, *meet), s.client("ibapi-stable", mux.port, 2, *meet)]
    for wave in range(3):
        hung = [s.client("ib_async", mux.port, 50 + n, "--tour", "hang", "--symbol", "MSFT") for n in range(3)]
        wait_until(
            lambda: all(h.output().endswith("\n") or not h.running() for h in hung), "hung clients", CLIENT_SECONDS
        )
        bad = [s.spoken(h)["failure"] for h in hung if not h.running()]
        check(not bad, f"wave {wave + 1}: {bad}")
        for h in hung:
            h.kill()
        time.sleep(0.5)
    for client in touring:
        t = s.transcript(client)
        check(t["exit"] == 0, f"{client.library} beside dying clients: {t['failure']} {t['strangers'][:3]}")
    s.tours(mux.port, [("ib_async", 50), ("stoqey", 51)], "connect")
    s.one_upstream(mux)
    s.ends_well(mux)


@scenario
def refusals_are_read_as_such(s):
    """A refused order is dead and a refused modify leaves the order alive, as each library reads it."""
    mux = s.twsmux(157)
    s.tours(mux.port, [(library, 61 + n) for n, library in enumerate(ALL)], "rejected", meet=False)
    s.one_upstream(mux)


@scenario
def an_outage_leaves_trades_open(s):
    """The Gateway dies under resting orders. Modifies and cancels are refused with a code that ib_async and ib_insync do
    not take for the end of the order."""
    sim, port = s.sim(157)
    mux = s.twsmux(157, f"127.0.0.1:{port}")
    meet = s.path("meet")
    running = [
        s.client(library, mux.port, 71 + n, "--tour", "outage", "--meet", meet, "--parties", len(ALL))
        for n, library in enumerate(ALL)
    ]
    resting = os.path.join(meet, "resting")
    wait_until(
        lambda: os.path.isdir(resting) and len(os.listdir(resting)) == len(ALL) or any(not c.running() for c in running),
        "resting orders",
        CLIENT_SECONDS,
    )
    time.sleep(0.5)
    sim.kill()
    for client in running:
        t = s.transcript(client)
        check(t["exit"] == 0, f"{client.library}: {t['failure']} {t['strangers'][:3]}")
        codes = {c for step in t["steps"] for c in step.get("codes", [])}
        odd = [c for c in codes if c != 399 and not 2100 <= c < 2200]
        check(codes and not odd, f"{client.library} was refused with {codes}")


@scenario
def an_unknown_fate_leaves_trades_open(s):
    """A modify while the Gateway is away, and orders around which the link is cut: ib_async and ib_insync hold the trades
    for open until it is known what became of them, and then learn it."""
    gateway = s.driven_sim()
    mux = s.twsmux(None, f"127.0.0.1:{gateway.port}", "--backoff-min", "0.3", "--backoff-max", "0.6")
    for library, number in [("ib_async", 91), ("ib_insync", 92)]:
        meet = s.path("meet")
        client = s.client(library, mux.port, number, "--tour", "unknown-fate", "--meet", meet, "--parties", 2)

        def at(place, action):
            """Does something when the client has come to a place, and then lets it go on."""
            there = os.path.join(meet, place)
            wait_until(lambda: os.path.isdir(there) or not client.running(), f"{library} at '{place}'", CLIENT_SECONDS)
            if not client.running():
                raise Failed(f"{library}: {s.spoken(client)['failure']}")
            action()
            with open(os.path.join(there, "scenario"), "w", encoding="ascii"):
                pass

        def in_book():
            return {(o["order_id"], o["working"]) for o in gateway("orders")["orders"]}

        def plan(cut):
            # The listener closes first: after the cut nobody gets in, so that the fate stays unknown for a while.
            gateway("refuse")
            gateway("cut_at_order", cut=cut)

        def come_back(more_orders):
            check(len(in_book()) == known + more_orders, f"{library}: the book has {in_book()}, {known} were known")
            gateway("accept")

        at("the Gateway goes", lambda: gateway("restart", stay_down=True))
        at("the Gateway comes", lambda: gateway("accept"))
        known = len(in_book())
        at("it arrived: the cut is planned", lambda: plan("after_processing"))
        at("it arrived: told", lambda: come_back(1))
        known = len(in_book())
        at("it is lost: the cut is planned", lambda: plan("before_processing"))
        at("it is lost: told", lambda: come_back(0))
        t = s.transcript(client)
        check(t["exit"] == 0, f"{library}: {t['failure']} {t['strangers'][:3]}")
    s.ends_well(mux)


@scenario
def an_order_placed_before_leaving_is_placed(s):
    """Each library places an order and closes its socket at once; the orders rest, and their owners find them again and
    can cancel them."""
    mux = s.twsmux(157)
    clients = [(library, 81 + n) for n, library in enumerate(ALL)]
    s.tours(mux.port, clients, "place-and-exit")
    s.tours(mux.port, clients, "come-back")
    s.one_upstream(mux)
    s.ends_well(mux)


class Traders:
    """Traders (trader.py) of several libraries, who trade at once with order ids that are all the same, and the book of
    the simulated Gateway against which they are held whenever they have settled."""

    FIRST_ORDER_ID = 1000

    def __init__(self, s, gateway, port, crew):
        self.s = s
        self.gateway = gateway
        self.port = port
        self.lives = {}  # (library, client id) -> how often it was started
        self.running = {}  # (library, client id) -> its process
        self.told = {}  # (library, client id) -> what it said last
        for who in crew:
            # One order of each trader is refused: a bracket or a single order, as it happens.
            for number in (4, 17):
                ref = f"{who[0]}-{who[1]}-{number}"
                gateway("reject_orders", times=1, order_ref=ref)
            self.start(who)

    def start(self, who):
        library, client_id = who
        life = self.lives[who] = self.lives.get(who, 0) + 1
        options = {
            "--port": self.port,
            "--client-id": client_id,
            "--start-order-id": self.FIRST_ORDER_ID,
            "--seed": self.s.seed,
            "--chapter": life,
            "--journal": os.path.join(self.s.directory, f"journal-{library}-{client_id}.json"),
        }
        command = TRADERS[library] + [str(word) for pair in options.items() for word in pair]
        self.running[who] = self.s.start(f"{library}-{client_id}", command, told=True)
        self.running[who].settles = 0

    def say(self, line, crew=None):
        for who in crew or self.running:
            self.running[who].tell(line)

    def hear(self, key, value, crew=None):
        """Waits until each has said something with this value under this key."""

        def said(who):
            # Before its output is read: one that ends in between has said its last word all the same.
            running = self.running[who].running()
            lines = self.running[who].output().split("\n")[:-1]
            spoken = [json.loads(line) for line in lines]
            failures = [t["failure"] for t in spoken if "failure" in t]
            check(not failures, f"{failures[:1]} {self.running[who].complaints()[-600:]}")
            found = [t for t in spoken if t.get(key) == value]
            if not found:
                check(running, f"{self.running[who].name} ended: {self.running[who].complaints()[-600:]}")
                return False
            self.told[who] = found[-1]
            return True

        waiting = list(crew or self.running)

        def all_have():
            waiting[:] = [who for who in waiting if not said(who)]
            return not waiting

        wait_until(all_have, f"{key} from the traders", 90)

    def trade(self, orders):
        """Lets them trade until so many more orders were accepted by the Gateway."""
        placed = self.gateway("stats")["stats"]["orders_placed"]
        self.say("trade")
        wait_until(lambda: self.gateway("stats")["stats"]["orders_placed"] >= placed + orders, f"{orders} more orders", 60)

    def settle(self, after):
        """Lets nothing move any more and compares what each was told with the book."""
        settled = {who: self.running[who].settles + 1 for who in self.running}
        for who in self.running:
            self.running[who].settles += 1
        self.say("settle")
        for who, times in settled.items():
            self.hear("settled", times, [who])
        book = trading.Book(self.gateway)
        problems = book.check_ids()
        for who in self.running:
            problems += trading.audit(self.told[who], book)
        if problems:
            # All of it for whoever looks into it; the line of the result has the first ones.
            with open(self.s.path("problems"), "w", encoding="utf-8") as file:
                file.write("\n".join([f"after {after}:", *problems]) + "\n")
        check(not problems, f"after {after}: {len(problems)} differences, " + "; ".join(problems[:4]))

    def leave(self, crew):
        self.say("leave", crew)
        self.hear("left", True, crew)
        for who in crew:
            process = self.running.pop(who)
            wait_until(lambda: not process.running(), f"{process.name} to end", 10)


CREW = [("ib_async", 11), ("ib_insync", 12), ("ibapi-stable", 13), ("ibapi", 14), ("scripted", 15), ("scripted", 0)]

# Orders fill in parts, and pairs of openOrder and orderStatus come twice now and then, as at a real Gateway.
LIVELY = {"fill_size": 4, "part_delay_ms": 60, "repeated_per_mille": 50}


@scenario
def traders_without_twsmux(s):
    """The traders and the simulated Gateway without anything between, through restarts of it: what fails here is not the
    multiplexer's fault."""
    gateway = s.driven_sim()
    gateway("configure", **LIVELY)
    traders = Traders(s, gateway, gateway.port, [who for who in CREW if who[1]])
    for _ in range(2):
        traders.trade(40)
        gateway("restart")
        traders.trade(30)
        traders.settle("a restart of the Gateway")
    s.tally(traders)


@scenario
def traders_through_restarts(s):
    """ib_async, ib_insync, both official clients and two clients without a library trade at once with equal order ids
    through restarts of twsmux and of the Gateway. Each ends with a book that equals the Gateway's of its own orders, and
    no live order is shown as dead."""
    gateway = s.driven_sim()
    gateway("configure", **LIVELY)
    port, state = free_port(), s.path("state")
    # A Gateway that comes back is found at once: the pauses between attempts are not what is shown here.
    pauses = ["--backoff-min", "0.3", "--backoff-max", "0.6"]

    def start():
        return s.twsmux(None, f"127.0.0.1:{gateway.port}", *pauses, port=port, state=state)

    mux = [start()]
    traders = Traders(s, gateway, port, CREW)

    def gateway_restarts():
        # The next order id goes back, and orders that were never transmitted are gone.
        gateway("restart", next_order_ids={"0": {"back_by": 7}}, forget_held=True)

    def gateway_is_away():
        gateway("restart", stay_down=True)
        time.sleep(1.0)
        gateway("accept")

    def orders_fill():
        """The price falls and comes back: orders that rest fill, stops are triggered, brackets end."""
        executions = len(gateway("executions")["executions"])
        gateway("set_price", symbol="AAPL", price=212.0)
        wait_until(lambda: len(gateway("executions")["executions"]) >= executions + 5, "fills", 20)
        gateway("set_price", symbol="AAPL", price=250.0)

    def twsmux_is_killed():
        mux[0].kill()
        mux[0] = start()

    def orders_fill_while_twsmux_is_dead():
        mux[0].kill()
        orders_fill()
        mux[0] = start()

    def twsmux_is_killed_as_soon_as_it_is_back():
        for _ in range(3):
            mux[0].kill()
            mux[0] = start()
            time.sleep(0.3)

    def both_are_killed():
        gateway("restart", stay_down=True)
        mux[0].kill()
        mux[0] = start()
        gateway("accept")

    def orders_are_swallowed_and_twsmux_is_killed():
        # They arrive and nothing comes of them. The next twsmux knows that it sent them, and finds them in no list.
        def swallowed():
            return sum(a["kind"] == "place" and a["answered"] == "ignored" for a in gateway("arrivals")["arrivals"])

        gateway("mute", on=True)
        wait_until(lambda: swallowed() >= 5, "orders that the Gateway swallows", 20)
        mux[0].kill()
        gateway("mute", on=False)
        mux[0] = start()

    def twsmux_is_stopped():
        code = mux[0].stop()
        check(code == 0, f"twsmux ended with {code} on SIGTERM")
        mux[0] = start()

    def clients_are_away():
        away = [("ib_async", 11), ("ibapi-stable", 13), ("scripted", 15)]
        traders.leave(away)
        orders_fill()
        for who in away:
            traders.start(who)

    def link_is_cut_around_orders():
        gateway("cut_at_order", cut="after_processing", nth=2)
        gateway("cut_at_order", cut="before_processing", nth=12)
        gateway("cut_at_cancel", cut="after_processing", nth=7)

    events = [
        gateway_restarts,
        twsmux_is_killed,
        clients_are_away,
        twsmux_is_stopped,
        link_is_cut_around_orders,
        orders_fill_while_twsmux_is_dead,
        orders_are_swallowed_and_twsmux_is_killed,
        gateway_is_away,
        twsmux_is_killed_as_soon_as_it_is_back,
        clients_are_away,
        both_are_killed,
    ]
    for event in events:
        traders.trade(30)
        event()
        traders.trade(30)
        traders.settle(event.__name__.replace("_", " "))
    s.tally(traders)
    s.ends_well(mux[0])


class Party:
    """Programs that connect with ib_async and ib_insync (ib_connect.py) through twsmux, trade a little, and say what they
    hold."""

    def __init__(self, s, gateway, port):
        self.s = s
        self.gateway = gateway
        self.port = port
        self.placed = {}  # reference of an order -> its owner's client id and order id

    def start(self, library, client_id, port=None):
        command = [*CONNECTORS[library], "--port", str(port or self.port), "--client-id", str(client_id)]
        process = self.s.start(f"{library}-{client_id}", command, told=True)
        process.library, process.client_id, process.heard = library, client_id, 0
        self.hear(process)
        return process

    def hear(self, process):
        """Waits for the next thing that it says."""

        def lines():
            return process.output().split("\n")[:-1]

        wait_until(lambda: len(lines()) > process.heard or not process.running(), f"word of {process.name}", CLIENT_SECONDS)
        said = lines()[process.heard :]
        check(said, f"{process.name} ended: {process.complaints()[-600:]}")
        process.heard += 1
        answer = json.loads(said[0])
        check("failure" not in answer or answer.get("did") == "connect", f"{answer.get('failure')}")
        for ref, order_id in answer.get("placed", {}).items():
            self.placed[ref] = (process.client_id, order_id)
        return answer

    def ask(self, process, line):
        process.tell(line)
        return self.hear(process)

    def connected(self, library, client_id, port=None):
        """One that is connected while nothing is slow."""
        process = self.start(library, client_id, port)
        process.answer = self.ask(process, "connect")
        self.check_connect(process)
        return process

    def leave(self, process):
        self.ask(process, "leave")
        wait_until(lambda: not process.running(), f"{process.name} to end", 10)

    @staticmethod
    def bad_connect(process):
        """What was wrong with a connect, whatever it brought."""
        answer = process.answer
        bad = [answer["failure"]] if answer["failure"] else []
        bad += answer["complaints"] + [f"error {e}" for e in answer["errors"]]
        return [f"{what} [{connecting.described(answer)}]" for what in bad[:1]] + bad[1:]

    def check_connect(self, process):
        bad = self.bad_connect(process)
        check(not bad, f"{process.name}: {bad}")

    def slow(self, delay_ms, one_at_a_time):
        self.gateway("configure", answer_delay_ms=delay_ms, answers_one_at_a_time=one_at_a_time)

    def at_rest(self):
        """Waits until nothing waits at the Gateway."""
        wait_until(lambda: self.gateway("stats")["stats"]["waiting"] == 0, "the Gateway to have answered all", 60)


ANSWER_TIME_MS = 3000


def connects_one_after_another(party):
    """New clients come, and one whose order lies there from before."""
    came = []
    for who in [("ib_async", 3), ("ib_async", 2), ("ib_insync", 4)]:
        came.append(party.start(*who))
        came[-1].answer = party.ask(came[-1], "connect")
    return came


def connects_at_once(party):
    """New clients and one whose order lies there from before come at the same moment."""
    came = [party.start(*who) for who in [("ib_async", 3), ("ib_async", 2), ("ib_async", 4), ("ib_insync", 5)]]
    for process in came:
        process.tell("connect")
    for process in came:
        process.answer = party.hear(process)
    return came


def connects_after_fills(party):
    """Meanwhile orders fill, that of a client which is away among them: what was so before is not true any more."""
    party.ask(party.first, "fill")
    party.gateway("set_price", symbol="AAPL", price=0.9)
    wait_until(lambda: all(o["over"] for o in party.gateway("orders")["orders"]), "all orders to fill", 20)
    return connects_one_after_another(party)


def connects_when_all_have_left(party):
    """Nobody is there any more who would hold what is shared; it stays for a while."""
    party.leave(party.first)
    return connects_one_after_another(party)


connects_when_all_have_left.options = ["--line-grace", "120"]


def slow_gateway(way, one_at_a_time):
    """Clients connect with the patience that their library has by itself while the Gateway takes 3 s for each answer. Nothing
    times out, and each holds what it would hold otherwise."""

    def run(s):
        gateway = s.driven_sim()
        gateway("configure", fill_size=60, part_delay_ms=20)
        mux = s.twsmux(None, f"127.0.0.1:{gateway.port}", *getattr(way, "options", []))
        party = Party(s, gateway, mux.port)
        party.first = party.connected("ib_async", 1)
        party.ask(party.first, "trade")
        gone = party.connected("ib_async", 2)
        party.ask(gone, "trade")
        party.leave(gone)
        party.at_rest()

        party.slow(ANSWER_TIME_MS, one_at_a_time)
        came = way(party)
        party.slow(0, False)
        party.at_rest()

        # What is so, and what the same clients hold when nothing is slow.
        direct = party.connected("ib_async", 900, gateway.port)
        orders = gateway("orders")["orders"]
        problems = []
        for process in came:
            wanted = connecting.expected(direct.answer["held"], orders, party.placed, process.client_id)
            found = party.bad_connect(process) + connecting.differences(wanted, process.answer["held"])
            party.leave(process)
            again = party.connected(process.library, process.client_id)
            found += [f"when nothing is slow, {what}" for what in connecting.differences(wanted, again.answer["held"])]
            party.leave(again)
            problems += [f"{process.library} as client {process.client_id}: {what}" for what in found]
        if problems:
            # All of it for whoever looks into it; the line of the result has the first ones.
            with open(s.path("problems"), "w", encoding="utf-8") as file:
                file.write("\n".join([*problems, ""]))
        check(not problems, f"{len(problems)} faults: " + "; ".join(problems[:6]))
        s.one_upstream(mux)
        s.ends_well(mux)

    run.__doc__ = f"{slow_gateway.__doc__} {way.__doc__}"
    kind = "one-at-a-time" if one_at_a_time else "each-for-itself"
    SCENARIOS.append((f"slow-answers-{kind}-{way.__name__.replace('_', '-')}", run))


for one_at_a_time in (False, True):
    for way in (connects_one_after_another, connects_at_once, connects_after_fills, connects_when_all_have_left):
        slow_gateway(way, one_at_a_time)


def run_one(name, function, binary, keep, seed):
    directory = os.path.join(keep, name)
    os.makedirs(directory)
    s = Scenario(name, binary, directory, seed)
    started = time.monotonic()
    try:
        function(s)
    except Failed as failure:
        reason = str(failure)
    except Exception as error:
        traceback.print_exc()
        reason = repr(error)
    else:
        reason = None
    finally:
        s.end()
    seconds = time.monotonic() - started
    if reason is None:
        print(f"PASS {name} ({seconds:.1f} s)", flush=True)
        return True
    print(f"FAIL {name} {' '.join(reason.split())}", flush=True)
    for process in s.processes:
        if "twsmux" in process.name or "sim" in process.name:
            tail = process.complaints().splitlines()[-15:]
            sys.stderr.write("".join(f"    {process.name}: {line}\n" for line in tail))
    return False


def main():
    parser = argparse.ArgumentParser(description="Runs real client libraries against twsmux.")
    parser.add_argument("--binary", help="the twsmux program to test")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run this scenario (repeatable)")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios and stop")
    parser.add_argument("--seed", type=int, default=1, help="of what the traders do")
    parser.add_argument("--keep", metavar="DIR", help="keep every output and transcript there")
    args = parser.parse_args()
    if args.list:
        for name, function in SCENARIOS:
            print(name, "-", " ".join((function.__doc__ or "").split()))
        return 0
    unknown = set(args.only) - {name for name, _ in SCENARIOS}
    if not args.binary or unknown:
        parser.error(f"no scenario {sorted(unknown)}" if unknown else "--binary is needed")
    binary = os.path.abspath(args.binary)
    if not os.access(binary, os.X_OK):
        parser.error(f"{binary} is not a program")
    if subprocess.run([os.path.join(HERE, "setup.sh")], stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode:
        print("FAIL setup the client libraries could not be installed", flush=True)
        print("0 passed, 1 failed", flush=True)
        return 1

    # SIGTERM ends a run as ^C does, so that what it started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    keep = tempfile.mkdtemp(prefix="twsmux-clients-")
    chosen = [(n, f) for n, f in SCENARIOS if not args.only or n in args.only]
    try:
        results = [run_one(name, function, binary, keep, args.seed) for name, function in chosen]
    finally:
        if args.keep:
            shutil.copytree(keep, args.keep, dirs_exist_ok=True)
        shutil.rmtree(keep, ignore_errors=True)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed", flush=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
