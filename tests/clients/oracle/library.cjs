// @stoqey/ib behind the face of libraries.py: the same questions, one JSON object a line, the same answers.
// Run with its folder as argument: `node library.cjs .../node_modules/@stoqey/ib`.
"use strict";
const path = require("path");
const readline = require("readline");

const root = path.resolve(process.argv[2]);
const ib = require(root);
const { Encoder } = require(path.join(root, "dist/core/io/encoder.js"));
const { Decoder } = require(path.join(root, "dist/core/io/decoder.js"));

class Absent extends Error {}

// Where the library has another word for what the catalogue says.
const METHODS = {
  reqHeadTimeStamp: "reqHeadTimestamp",
  cancelHeadTimeStamp: "cancelHeadTimestamp",
  unsubscribeFromGroupEvents: "unsubscribeToGroupEvents",
  cancelWshMetaData: "reqCancelWshMetaData",
  cancelWshEventData: "reqCancelWshEventData",
};
const WORDS = { primaryExchange: "primaryExch" };
// Attributes the encoder never looks at: a call that needs one cannot be made.
const UNKNOWN = new Set([
  "hedgeMaxSize", "conditionsIncludeOvernight", "whatIfType", "imbalanceOnly", "postOnly", "allowPreOpen", "ignoreOpenAuction",
  "deactivate", "seekPriceImprovement", "routeMarketableToBbo", "slOrderId", "slOrderType", "ptOrderId", "ptOrderType",
  "lastNDays", "specificDates",
]);
const CONDITIONS = {
  PriceCondition: (c, and) => new ib.PriceCondition(c.price, c.triggerMethod, c.conId, c.exchange, c.isMore, and),
  TimeCondition: (c, and) => new ib.TimeCondition(c.time, c.isMore, and),
  MarginCondition: (c, and) => new ib.MarginCondition(c.percent, c.isMore, and),
  ExecutionCondition: (c, and) => new ib.ExecutionCondition(c.exchange, c.secType, c.symbol, and),
  VolumeCondition: (c, and) => new ib.VolumeCondition(c.volume, c.conId, c.exchange, c.isMore, and),
  PercentChangeCondition: (c, and) => new ib.PercentChangeCondition(c.changePercent, c.conId, c.exchange, c.isMore, and),
};

function build(spec) {
  if (Array.isArray(spec)) return spec.map(build);
  if (spec === null || typeof spec !== "object") return spec;
  const { class: kind, ...attributes } = spec;
  if (kind === "Decimal") return Number(attributes.text);
  if (kind === "SoftDollarTier") return { name: attributes.name, value: attributes.val, displayName: attributes.displayName };
  if (kind.startsWith("protobuf:")) throw new Absent(kind);
  if (CONDITIONS[kind]) {
    const and = attributes.isConjunctionConnection === false ? "o" : "a";
    return CONDITIONS[kind](attributes, and);
  }
  const made = {};
  if (kind === "Order") made.transmit = true;
  if (kind === "ScannerSubscription") made.numberOfRows = -1;
  for (const [name, value] of Object.entries(attributes)) {
    if (UNKNOWN.has(name)) throw new Absent(`${kind}.${name}`);
    made[WORDS[name] || name] = name === "scanCode" ? ib.ScanCode[value] : value === "Infinity" ? Infinity : build(value);
  }
  return made;
}

// As the library's socket writes it.
function bytes(tokens) {
  const flat = tokens.flat(Infinity).map((one) => (one === true ? 1 : one === false ? 0 : one));
  return Buffer.from(flat.map((one) => (one === undefined || one === null ? "" : String(one))).join("\0") + "\0", "utf8");
}

function encode(method, given, version) {
  const sent = [];
  const refused = [];
  const encoder = new Encoder({
    serverVersion: version,
    sendMsg: (...tokens) => sent.push(bytes(tokens).toString("hex")),
    emitError: (text, code) => refused.push([code, text]),
  });
  try {
    const target = encoder[METHODS[method] || method];
    if (!target) throw new Absent(method);
    target.apply(encoder, given.map(build));
  } catch (why) {
    return { absent: `${why.constructor.name}: ${why.message}` };
  }
  if (refused.length) return { refused: refused[0] };
  return { frames: sent };
}

function* leaves(value, at) {
  if (Array.isArray(value)) {
    yield [`${at}[#]`, value.length];
    for (const [index, one] of value.entries()) yield* leaves(one, `${at}[${index}]`);
  } else if (value instanceof Map) {
    yield* leaves(Object.fromEntries(value), at);
  } else if (value instanceof Error) {
    yield [at, value.message];
  } else if (value !== null && typeof value === "object") {
    for (const [name, one] of Object.entries(value)) yield* leaves(one, at ? `${at}.${name}` : name);
  } else if (typeof value === "number" && !Number.isFinite(value)) {
    yield [at, String(value)];
  } else if (value !== undefined && typeof value !== "function") {
    yield [at, typeof value === "bigint" ? String(value) : value];
  }
}

function decode(version, payload) {
  const heard = [];
  const decoder = new Decoder({
    serverVersion: version,
    emitError: (text, ...more) => {
      const defect = { Decoding: "fields left over", Underrun: "exception Underrun", No: "exception NoParser" };
      const name = defect[String(text).split(" ")[0]];
      heard.push(name && more.length < 2 ? [name, []] : ["error", [...leaves([text, ...more], "")]]);
    },
    emitInfo: (...args) => heard.push(["info", [...leaves(args, "")]]),
    emitEvent: (name, ...args) => heard.push([name, [...leaves(args, "")]]),
  });
  const fields = Buffer.from(payload, "hex").toString("utf8").split("\0");
  fields.pop();
  try {
    decoder.enqueueMessage(fields);
    decoder.process();
  } catch (problem) {
    heard.push([`exception ${problem.constructor.name}`, []]);
  }
  return heard;
}

function answer(question) {
  if (question.op === "encode") {
    return question.calls.map(([, method, args]) => question.versions.map((version) => encode(method, args, version)));
  }
  return question.frames.map(([version, payload]) => decode(version, payload));
}

// JSON has no infinity, Python's writes it as a bare word.
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const question = JSON.parse(line.replace(/\bInfinity\b/g, '"Infinity"'));
  process.stdout.write(JSON.stringify(answer(question)) + "\n");
});
