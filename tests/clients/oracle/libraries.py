"""One real client library behind a uniform face: it encodes calls and decodes frames, at any server version it speaks.

Run by the interpreter of that library's environment, `python libraries.py NAME`: one JSON object a line in, one out, in
order. Nothing is connected; the library's socket is a list and its server version is set from outside.

    {"op":"encode","calls":[[name, method, arguments], ...],"versions":[...]}
        -> per call and version {"frames":[hex]} | {"refused":[code, text]} | {"absent":"why the library cannot say this"}
    {"op":"decode","frames":[[version, hex], ...]}
        -> per frame the callbacks [[name, [[path, value], ...]], ...]
    {"op":"flatten","frames":[hex, ...], "names": {...}}
        -> per protobuf frame {path: value} by the library's own message classes, or null for one it has no class for
    {"op":"samples","seed":N}
        -> [[message name, variant, hex], ...]: answers made of the library's own message classes

Values are JSON: numbers, strings, booleans, null; a decimal is its text.
"""

import dataclasses
import datetime
import decimal
import enum
import importlib
import inspect
import json
import logging
import math
import sys
import types

import samples

PROTOBUF_FROM = 201
PROTOBUF_OFFSET = 200


class Absent(Exception):
    """The library has no such method, class, attribute or argument."""


def plain(value):
    """A value of the library as JSON; objects become their attributes."""
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (list, tuple, set, frozenset)):
        rows = [plain(one) for one in value]
        return sorted(rows, key=str) if isinstance(value, (set, frozenset)) else rows
    if hasattr(value, "DESCRIPTOR"):
        return dict(leaves(value))
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "__dict__"):
        return {name: plain(one) for name, one in vars(value).items()}
    return str(value)


def flat(value, path=""):
    """The leaves of plain data as (path, value); rows of a list share the path `[]` and keep their order."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from flat(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield f"{path}[#]", len(value)
        for at, one in enumerate(value):
            yield from flat(one, f"{path}[{at}]")
    else:
        yield path, value


def leaves(message, path=""):
    """The set fields of a protobuf message as (path, value)."""
    for field, value in message.ListFields():
        name = f"{path}.{field.name}" if path else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in sorted(value):
                yield f"{name}[{key}]", value[key]
        elif hasattr(value, "append"):  # repeated
            for at, one in enumerate(value):
                if field.message_type is not None:
                    yield f"{name}[{at}]", "row"
                    yield from leaves(one, f"{name}[{at}]")
                else:
                    yield f"{name}[{at}]", plain(one)
        elif field.message_type is not None:
            yield name, "message"
            yield from leaves(value, name)
        else:
            yield name, plain(value)


class Recorder:
    """Stands in for the wrapper: every callback is kept with its arguments, by name where the library names them."""

    def __init__(self, names):
        self.names = names
        self.calls = []
        # What the decoders of ib_insync and ib_async ask of their wrapper.
        self.ib = types.SimpleNamespace(TimezoneTWS=None)
        self.defaultTimezone = datetime.timezone.utc

    def __getattr__(self, name):
        # The official client hands the raw message to `...ProtoBuf` and then its content to the plain callback.
        if name.endswith("ProtoBuf") and "onfig" not in name:
            return lambda *arguments: None

        def callback(*arguments, **named):
            names = self.names.get(name, [])
            all_of_it = {names[at] if at < len(names) else str(at): plain(one) for at, one in enumerate(arguments)}
            all_of_it.update({key: plain(one) for key, one in named.items()})
            if name == "smartComponents" and isinstance(all_of_it.get("smartComponentMap"), list):
                # The official client makes a list of the text and a dictionary of the protobuf form.
                all_of_it["smartComponentMap"] = {
                    str(one["bitNumber"]): [one["exchange"], one["exchangeLetter"]] for one in all_of_it["smartComponentMap"]
                }
            self.calls.append([name, list(flat(all_of_it))])

        return callback


class Fields(tuple):
    """Text fields that know how many of them the library read through its iterator."""

    def __iter__(self):
        self.reader = super().__iter__()
        return self.reader

    def left(self):
        reader = self.__dict__.get("reader")
        return 0 if reader is None else len(list(reader))


def parameters(kind):
    """The parameter names of every method of a class."""
    found = {}
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        found[name] = [one for one in inspect.signature(method).parameters if one != "self"]
    return found


class Library:
    """What all libraries share: objects from plain data, and calls by name."""

    # Attribute names where the library has another word.
    words = {}

    def client(self, version):
        raise NotImplementedError

    def find(self, kind):
        raise NotImplementedError

    def build(self, spec):
        """The library's object for plain data of the catalogue."""
        if isinstance(spec, list):
            return [self.build(one) for one in spec]
        if not isinstance(spec, dict):
            return spec
        attributes = dict(spec)
        kind = attributes.pop("class")
        if kind == "Decimal":
            return self.decimal(attributes["text"])
        if kind == "TagValue":
            return self.find("TagValue")(attributes["tag"], attributes["value"])
        if kind == "SoftDollarTier":
            return self.find("SoftDollarTier")(attributes["name"], attributes["val"], attributes["displayName"])
        made = self.find(kind)()
        for name, value in attributes.items():
            name, value = self.translate(kind, name, value)
            if not hasattr(made, name):
                raise Absent(f"{kind}.{name}")
            setattr(made, name, self.build(value))
        return made

    def translate(self, kind, name, value):
        return self.words.get((kind, name), self.words.get(name, name)), value

    def finish(self, made, version):
        """Last touches to an order that is to be sent at a version."""

    def call(self, client, method, arguments, version):
        target = getattr(client, method, None)
        if target is None:
            raise Absent(method)
        accepted = [one for one in inspect.signature(target).parameters.values() if one.kind is not one.VAR_KEYWORD]
        for dropped in arguments[len(accepted):]:
            if dropped and set(dropped if isinstance(dropped, dict) else {"x"}) != {"class"}:
                raise Absent(f"{method} has {len(accepted)} parameters")
        built = [self.build(one) for one in arguments[: len(accepted)]]
        if method == "placeOrder":
            self.finish(built[2], version)
        target(*built)

    def encode(self, method, arguments, version):
        client, sent, errors = self.client(version)
        try:
            self.call(client, method, arguments, version)
        except Absent as why:
            return {"absent": str(why)}
        except Exception as why:  # what a caller of the library would get instead of a frame
            return {"absent": f"{type(why).__name__}: {why}"}
        if errors:
            return {"refused": errors[0]}
        return {"frames": [frame[4:].hex() for frame in sent]}


class Official(Library):
    """Both official clients: of today (10.50, text and protobuf) and of PyPI's first upload (9.81, text)."""

    modules = ["contract", "order", "order_condition", "order_cancel", "scanner", "execution", "common", "tag_value", "softdollartier"]

    def __init__(self):
        self.package = "ibapi"
        self.module = lambda name: importlib.import_module(f"ibapi.{name}")
        self.today = hasattr(self.module("server_versions"), "MIN_SERVER_VER_PROTOBUF")
        self.names = parameters(self.module("wrapper").EWrapper)
        self.decoders = {}
        if self.today:
            self.module("decoder").currentTimeMillis = lambda: 0

    def find(self, kind):
        if kind.startswith("protobuf:"):
            return self.message_class(kind.removeprefix("protobuf:"))
        for name in self.modules:
            try:
                found = getattr(self.module(name), kind, None)
            except ModuleNotFoundError:
                continue
            if found is not None:
                return found
        raise Absent(kind)

    def message_class(self, name):
        try:
            return getattr(importlib.import_module(f"ibapi.protobuf.{name}_pb2"), name)
        except ModuleNotFoundError:
            raise Absent(name) from None

    def decimal(self, text):
        if self.today:
            return decimal.Decimal(text)
        return int(text) if text.isdigit() else float(text)

    def finish(self, made, version):
        # Where there is no cash quantity the library takes its own sign for "none" for a quantity and refuses every order.
        if version < 111 and made.cashQty > 1e300:
            made.cashQty = 0

    def client(self, version):
        sent, errors = [], []

        class Wire:
            def isConnected(self):
                return True

            def sendMsg(self, frame):
                sent.append(frame)

        class Wrapper:
            def error(wrapper, *arguments):
                errors.append(list(arguments[2:4] if self.today else arguments[1:3]))

        client = self.module("client").EClient(Wrapper())
        client.conn = Wire()
        client.setConnState(client.CONNECTED)
        client.serverVersion_ = version
        client.clientId = 7
        client.optCapab = ""
        client.extraAuth = True  # or verifyRequest sends nothing
        return client, sent, errors

    def decode(self, frame, version):
        recorder = Recorder(self.names)
        if version not in self.decoders:  # making one looks at every method of the wrapper
            self.decoders[version] = self.module("decoder").Decoder(recorder, version)
        decoder = self.decoders[version]
        decoder.wrapper = recorder
        try:
            if version >= PROTOBUF_FROM:
                message, body = int.from_bytes(frame[:4], "big"), frame[4:]
                if message > PROTOBUF_OFFSET:
                    decoder.processProtoBuf(body, message - PROTOBUF_OFFSET)
                    return recorder.calls
                head = ()
            else:
                number, _, body = frame.partition(b"\0")
                message = int(number)
                head = () if self.today else (number,)
            fields = Fields((*head, *body.split(b"\0")[:-1]))
            if self.today:
                decoder.interpret(fields, message)
            else:
                decoder.interpret(fields)
            if fields.left():
                recorder.calls.append(["fields left over", []])
        except Exception as problem:  # whatever the library throws is what its user would see
            recorder.calls.append([f"exception {type(problem).__name__}", []])
        return recorder.calls

    def flatten(self, frame, names):
        message = int.from_bytes(frame[:4], "big") - PROTOBUF_OFFSET
        name = names.get(str(message))
        if name is None:
            return None
        try:
            made = self.message_class(name)()
        except Absent:
            return None
        made.ParseFromString(frame[4:])
        found = dict(leaves(made))
        if made.FindInitializationErrors() or unknown(made):
            found["unknown fields"] = True
        return found


def unknown(message):
    """Whether the message carries fields that its class does not know."""
    size = message.ByteSize()
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != size


class Community(Library):
    """ib_insync and its successor ib_async, which share their shape."""

    words = {"exchange": "exchange", ("ExecutionCondition", "exchange"): "exch", ("PriceCondition", "exchange"): "exch",
             ("VolumeCondition", "exchange"): "exch", ("PercentChangeCondition", "exchange"): "exch"}

    def __init__(self, package):
        self.package = package
        self.top = importlib.import_module(package)
        self.names = parameters(importlib.import_module(f"{package}.wrapper").Wrapper)
        self.log = logging.getLogger(package)

    def find(self, kind):
        found = getattr(self.top, kind, None)
        if found is None:
            found = getattr(importlib.import_module(f"{self.package}.objects"), kind, None)
        if found is None and kind == "OrderCancel":
            return OrderCancel
        if found is None:
            raise Absent(kind)
        return found

    def decimal(self, text):
        return int(text) if text.isdigit() else float(text)

    def translate(self, kind, name, value):
        if name == "isConjunctionConnection":
            return "conjunction", "a" if value else "o"
        return super().translate(kind, name, value)

    def call(self, client, method, arguments, version):
        if method == "cancelOrder":
            cancel = self.build(arguments[1])
            if cancel.extOperator or cancel.manualOrderIndicator is not None:
                raise Absent("OrderCancel.extOperator")
            client.cancelOrder(arguments[0], cancel.manualOrderCancelTime)
        elif method == "startApi":
            client.clientId = 7
            client.startApi()
        else:
            super().call(client, method, arguments, version)

    def client(self, version):
        client_class = importlib.import_module(f"{self.package}.client").Client
        client = client_class(Recorder({}))
        sent = []

        class Wire:
            def sendMsg(self, frame):
                sent.append(frame)

            def isConnected(self):
                return True

        client.conn = Wire()
        client.connState = client_class.CONNECTED
        client.MaxRequests = 0
        client._serverVersion = version
        return client, sent, []

    def decode(self, frame, version):
        recorder = Recorder(self.names)
        decoder = importlib.import_module(f"{self.package}.decoder").Decoder(recorder, version)
        seen = []
        decoder.logger = Listener(seen)
        fields = frame.decode(errors="backslashreplace").split("\0")[:-1]
        decoder.interpret(fields)
        return recorder.calls + [[f"exception {one}", []] for one in seen]


@dataclasses.dataclass
class OrderCancel:
    """Stands for the official client's class in libraries whose cancelOrder takes the time alone."""

    manualOrderCancelTime: str = ""
    extOperator: str = ""
    manualOrderIndicator: int = None


class Listener:
    """A logger that keeps the kind of every exception that a decoder swallows."""

    def __init__(self, seen):
        self.seen = seen

    def exception(self, *_, **__):
        self.seen.append(sys.exc_info()[0].__name__)

    def __getattr__(self, name):
        return lambda *_, **__: None


def answer(library, question):
    """The answer to one line."""
    op = question["op"]
    if op == "encode":
        return [[library.encode(method, arguments, version) for version in question["versions"]]
                for _, method, arguments in question["calls"]]
    if op == "decode":
        return [library.decode(bytes.fromhex(frame), version) for version, frame in question["frames"]]
    if op == "flatten":
        return [library.flatten(bytes.fromhex(frame), question["names"]) for frame in question["frames"]]
    if op == "samples":
        return samples.answers(library.message_class, question["seed"])
    raise ValueError(op)


def main():
    logging.disable(logging.CRITICAL)
    name = sys.argv[1]
    library = Official() if name.startswith("ibapi") else Community(name)
    for line in sys.stdin:
        print(json.dumps(answer(library, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
