"use strict";
// The tours with @stoqey/ib. The same steps, the same transcript and the same command line as the Python drivers have
// (see tour.py); request ids are counted from 1 in every client, order ids from nextValidId.

const fs = require("fs");
const path = require("path");
const { parseArgs } = require("util");

const root = path.resolve(process.env.TWSMUX_CLIENTS_DIR || path.join(__dirname, ".venvs"));
const modulePath = require.resolve("@stoqey/ib", { paths: [path.join(root, "node"), __dirname] });
const { IBApi, EventName } = require(modulePath);
const libraryVersion = JSON.parse(
  fs.readFileSync(path.join(path.dirname(modulePath), "..", "package.json"), "utf8"),
).version;

const HARMLESS = new Set([
  202, 399, 2100, 2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158, 2109, 2110, 2137, 10167,
]);
const TOURS = ["full", "connect", "stream", "hang", "place-and-exit", "place-and-rest", "come-back", "rejected", "outage"];
const HISTORY_END = "20260105 16:00:00 US/Eastern";
const UNKNOWN_SYMBOL = "NOSUCH";
const RESTING_PRICE = 1.0;
const MODIFIED_PRICE = 1.25;
const SUMMARY_TAGS = ["BuyingPower", "NetLiquidation", "TotalCashValue"];
const RESTING = ["Submitted", "PreSubmitted"];

class TourFailed extends Error {}

function readArguments() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string" },
      "client-id": { type: "string", default: "1" },
      tour: { type: "string", default: "full" },
      "start-order-id": { type: "string", default: "0" },
      quantity: { type: "string", default: "0" },
      symbol: { type: "string", default: "AAPL" },
      patience: { type: "string", default: "20" },
      deadline: { type: "string", default: "120" },
      meet: { type: "string", default: "" },
      parties: { type: "string", default: "1" },
    },
  });
  if (!values.port) throw new Error("--port is needed");
  if (!TOURS.includes(values.tour)) throw new Error(`--tour is one of ${TOURS.join(", ")}`);
  const clientId = Number(values["client-id"]);
  return {
    host: values.host,
    port: Number(values.port),
    clientId,
    tour: values.tour,
    startOrderId: Number(values["start-order-id"]),
    quantity: Number(values.quantity) || 100 + clientId,
    symbol: values.symbol,
    patience: Number(values.patience),
    deadline: Number(values.deadline),
    meet: values.meet,
    parties: Number(values.parties),
  };
}

// Events whose first argument is a request id.
const BY_REQUEST = new Set([
  "accountSummary", "accountSummaryEnd", "accountUpdateMulti", "accountUpdateMultiEnd", "bondContractDetails",
  "contractDetails", "contractDetailsEnd", "execDetailsEnd", "headTimestamp", "histogramData", "historicalData",
  "historicalDataUpdate", "historicalTicks", "historicalTicksBidAsk", "historicalTicksLast", "marketDataType", "pnl",
  "pnlSingle", "positionMulti", "positionMultiEnd", "realtimeBar", "scannerData", "scannerDataEnd",
  "securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd", "symbolSamples", "tickByTickAllLast",
  "tickByTickBidAsk", "tickByTickMidPoint", "tickEFP", "tickGeneric", "tickNews", "tickOptionComputation", "tickPrice",
  "tickReqParams", "tickSize", "tickSnapshotEnd", "tickString", "updateMktDepth", "updateMktDepthL2",
]);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Tour {
  constructor(args) {
    this.args = args;
    this.orderRef = `twsmux-${args.clientId}`;
    this.current = "start";
    this.awaited = "";
    this.broken = [];
    this.leaving = false;
    this.said = false;
    this.seen = {};
    this.requestIds = new Set();
    this.orderIds = new Set();
    this.allowedErrors = new Set();
    this.unreadable = null;
    this.foreignShown = 0;
    this.nextRequest = 1;
    this.nextOrder = null;
    this.transcript = {
      library: "@stoqey/ib",
      library_version: libraryVersion,
      client_id: args.clientId,
      tour: args.tour,
      ok: false,
      failure: null,
      server_version: null,
      next_valid_id: null,
      accounts: [],
      steps: [],
      errors: [],
      strangers: [],
    };
    this.watch = setTimeout(
      () =>
        this.finish(
          `${this.current}: the tour took more than ${args.deadline} s, last waiting for ${this.awaited}`,
        ),
      args.deadline * 1000,
    );
    this.stock = { symbol: args.symbol, secType: "STK", exchange: "SMART", currency: "USD" };
    this.euro = { symbol: "EUR", secType: "CASH", exchange: "IDEALPRO", currency: "USD" };
    this.ib = new IBApi({ host: args.host, port: args.port });
    this.ib.on(EventName.all, (name, values) => this.arrived(name, values));
  }

  // What the library hands over

  arrived(name, values) {
    if (name === "received" || name === "sent" || name === "result") return;
    (this.seen[name] = this.seen[name] || []).push(values);
    if (name === "info") this.error(-1, values[1], values[0]);
    else if (name === "error") this.error(values[2], values[1], values[0] && values[0].message);
    else if (name === "server") this.transcript.server_version = values[0];
    else if (name === "disconnected" && !this.leaving) this.broken.push("the connection was closed");
    else if (BY_REQUEST.has(name) && !this.requestIds.has(values[0])) this.stranger(name, { req_id: values[0] });
  }

  error(id, code, text) {
    this.transcript.errors.push({ id, code, text: String(text).slice(0, 300) });
    if (id !== -1 && !this.requestIds.has(id) && !this.orderIds.has(id)) this.stranger("error", { req_id: id, code });
  }

  stranger(what, facts) {
    if (this.transcript.strangers.length < 50)
      this.transcript.strangers.push({ what, during: this.current, ...facts });
  }

  all(name) {
    return this.seen[name] || [];
  }

  rows(name, request) {
    return this.all(name).filter((values) => values[0] === request);
  }

  errors(id, code) {
    return this.transcript.errors.filter((e) => e.id === id && (code === undefined || e.code === code));
  }

  // Steps, checks and waits

  begin(name) {
    this.current = name;
  }

  step(name, facts = {}) {
    this.transcript.steps.push({ step: name, ...facts });
  }

  check(condition, what) {
    if (!condition) throw new TourFailed(`${this.current}: ${what}`);
  }

  async wait(condition, what, seconds) {
    this.awaited = what;
    const until = Date.now() + (seconds || this.args.patience) * 1000;
    while (!condition()) {
      this.check(this.broken.length === 0, `${this.broken[0]}, while waiting for ${what}`);
      if (Date.now() >= until) {
        const recent = JSON.stringify(this.transcript.errors.slice(-3));
        this.check(false, `waited in vain for ${what}; the last errors were ${recent}`);
      }
      await sleep(10);
    }
  }

  async waitEnd(name, request, what) {
    await this.wait(() => {
      const refused = this.errors(request).filter((e) => !HARMLESS.has(e.code));
      this.check(refused.length === 0, `${what} was refused: ${JSON.stringify(refused)}`);
      return this.rows(name, request).length > 0;
    }, `${name} of ${what}`);
  }

  async meet(place) {
    if (!this.args.meet) return;
    const directory = this.leaveMark(place);
    await this.wait(
      () => {
        const failed = fs.existsSync(path.join(this.args.meet, "failed"));
        this.check(!failed, `another client failed, no use in waiting at '${place}'`);
        return fs.readdirSync(directory).length >= this.args.parties;
      },
      `${this.args.parties} clients at '${place}'`,
      this.args.deadline,
    );
  }

  leaveMark(place) {
    const directory = path.join(this.args.meet, place);
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(path.join(directory, String(this.args.clientId)), "");
    return directory;
  }

  request() {
    const id = this.nextRequest++;
    this.requestIds.add(id);
    return id;
  }

  newOrderId() {
    const id = this.nextOrder++;
    this.orderIds.add(id);
    return id;
  }

  order(orderType, lmtPrice) {
    return {
      action: "BUY",
      orderType,
      lmtPrice,
      totalQuantity: this.args.quantity,
      tif: "DAY",
      orderRef: this.orderRef,
      account: this.transcript.accounts[0],
      transmit: true,
    };
  }

  async connect() {
    this.begin("connect");
    this.ib.connect(this.args.clientId);
    await this.wait(
      () => this.all("nextValidId").length > 0 && this.all("managedAccounts").length > 0,
      "nextValidId and managedAccounts",
    );
    const first = this.all("nextValidId")[0][0];
    this.nextOrder = this.args.startOrderId || first;
    const accounts = this.all("managedAccounts")[0][0].split(",").filter(Boolean);
    this.check(accounts.length > 0, "no managed account came");
    this.transcript.accounts = accounts;
    this.transcript.next_valid_id = first;
    this.step("connect", { accounts });
  }

  async account() {
    const account = this.transcript.accounts[0];
    this.begin("positions");
    this.ib.reqPositions();
    await this.wait(() => this.all("positionEnd").length > 0, "the positions with their end");
    const odd = this.all("position").filter((p) => !this.transcript.accounts.includes(p[0]));
    this.check(odd.length === 0, "positions of foreign accounts");
    this.step("positions", { volatile: { symbols: this.all("position").map((p) => p[1].symbol).sort() } });
    this.ib.cancelPositions();

    this.begin("account updates");
    this.ib.reqAccountUpdates(true, account);
    await this.wait(() => this.all("accountDownloadEnd").some((v) => v[0] === account), "accountDownloadEnd");
    const values = this.all("updateAccountValue");
    this.check(values.length > 0, "no account values");
    this.check(values.every((v) => v[3] === account), "values of foreign accounts");
    this.step("account updates", { tags: [...new Set(values.map((v) => v[0]))].sort() });
    this.ib.reqAccountUpdates(false, account);

    this.begin("account summary");
    const request = this.request();
    this.ib.reqAccountSummary(request, "All", SUMMARY_TAGS.join(","));
    await this.waitEnd("accountSummaryEnd", request, "the account summary");
    const rows = this.rows("accountSummary", request);
    const tags = [...new Set(rows.map((r) => r[2]))].sort();
    this.check(tags.join() === SUMMARY_TAGS.join(), `the summary has the tags ${tags}`);
    this.check(rows.every((r) => this.transcript.accounts.includes(r[1])), "the summary has a foreign account");
    this.step("account summary", { req_id: request, tags });
    this.ib.cancelAccountSummary(request);
  }

  async contracts() {
    this.begin("contract details");
    for (const contract of [this.stock, this.euro]) {
      const request = this.request();
      this.ib.reqContractDetails(request, contract);
      await this.waitEnd("contractDetailsEnd", request, `the contract details of ${contract.symbol}`);
      const rows = this.rows("contractDetails", request);
      this.check(rows.length > 0, `no contract details of ${contract.symbol}`);
      const details = rows[0][1];
      const found = details.contract;
      this.check(
        found.symbol === contract.symbol && found.secType === contract.secType,
        `asked for ${contract.symbol} ${contract.secType}, got ${found.symbol} ${found.secType}`,
      );
      this.check(found.conId > 0, "a contract without conId");
      this.step("contract details", {
        req_id: request,
        asked: `${contract.symbol} ${contract.secType}`,
        con_id: found.conId,
        local_symbol: found.localSymbol,
        long_name: details.longName,
        min_tick: details.minTick,
        rows: rows.length,
      });
    }
    this.begin("unknown contract");
    const request = this.request();
    this.ib.reqContractDetails(request, { ...this.stock, symbol: UNKNOWN_SYMBOL });
    await this.wait(() => this.errors(request).length > 0, "the refusal of an unknown contract");
    const codes = this.errors(request).map((e) => e.code);
    this.check(codes.join() === "200", `an unknown contract drew ${codes}`);
    this.check(this.rows("contractDetails", request).length === 0, "an unknown contract had details");
    this.allowedErrors.add(`${request}/200`);
    this.step("unknown contract", { req_id: request, code: 200 });
  }

  async stream() {
    this.begin("market data stream");
    const request = this.request();
    this.ib.reqMktData(request, this.stock, "", false, false);
    const prices = () => new Map(this.rows("tickPrice", request).map((v) => [v[1], v[2]]));
    await this.wait(() => [1, 2, 4].every((t) => prices().has(t)), `bid, ask and last of ${this.stock.symbol}`);
    const first = this.rows("tickPrice", request).length;
    await this.wait(
      () => this.rows("tickPrice", request).length >= first + 3,
      `three more prices of ${this.stock.symbol}`,
    );
    const image = prices();
    this.check([1, 2, 4].every((t) => image.get(t) > 0), "odd prices");
    this.ib.cancelMktData(request);
    await sleep(300);
    const before = this.rows("tickPrice", request).length;
    await sleep(700);
    const late = this.rows("tickPrice", request).length - before;
    this.step("market data stream", {
      req_id: request,
      symbol: this.stock.symbol,
      bid_ask_last: true,
      volatile: { bid: image.get(1), ask: image.get(2), first_ticks: first, late },
    });
  }

  async snapshot() {
    this.begin("market data snapshot");
    const request = this.request();
    this.ib.reqMktData(request, this.euro, "", true, false);
    await this.waitEnd("tickSnapshotEnd", request, "the snapshot of EUR.USD");
    const prices = new Map(this.rows("tickPrice", request).map((v) => [v[1], v[2]]));
    this.check(prices.has(1) && prices.has(2), "a snapshot without bid and ask");
    this.check(prices.get(1) > 0.2 && prices.get(1) < 5, `the price ${prices.get(1)} is not one of EUR.USD`);
    this.step("market data snapshot", { req_id: request, symbol: "EUR.USD", bid_ask: true });
  }

  async history() {
    this.begin("historical bars");
    const request = this.request();
    this.ib.reqHistoricalData(request, this.stock, HISTORY_END, "1 D", "30 mins", "TRADES", 1, 1, false);
    // The library ends the bars with one more of its own, whose date begins with "finished".
    const done = () => this.rows("historicalData", request).some((v) => String(v[1]).startsWith("finished"));
    await this.wait(() => {
      const refused = this.errors(request).filter((e) => !HARMLESS.has(e.code));
      this.check(refused.length === 0, `historical bars were refused: ${JSON.stringify(refused)}`);
      return done();
    }, "historical bars with their end");
    const bars = this.rows("historicalData", request).filter((v) => !String(v[1]).startsWith("finished"));
    this.check(bars.length > 0, "no historical bars");
    const dates = bars.map((b) => b[1]);
    this.check(dates.join() === [...new Set(dates)].sort().join(), "historical bars are not in order, or double");
    this.step("historical bars", { req_id: request, bars: bars.map((b) => b.slice(1, 6)) });
  }

  statuses(orderId) {
    return this.all("orderStatus")
      .filter((v) => v[0] === orderId && v[8] === this.args.clientId)
      .map((v) => v[1]);
  }

  echoes(orderId) {
    return this.all("openOrder").filter((v) => v[0] === orderId && v[2].clientId === this.args.clientId);
  }

  async placeResting() {
    this.begin("place a resting order");
    const id = this.newOrderId();
    this.ib.placeOrder(id, this.stock, this.order("LMT", RESTING_PRICE));
    await this.wait(
      () => this.echoes(id).length > 0 && this.statuses(id).some((s) => RESTING.includes(s)),
      `order ${id} to rest`,
    );
    const echo = this.echoes(id).at(-1)[2];
    this.check(echo.orderRef === this.orderRef, `order ${id} came back with orderRef ${echo.orderRef}`);
    this.check(echo.totalQuantity === this.args.quantity, `order ${id} came back with quantity ${echo.totalQuantity}`);
    this.check(echo.lmtPrice === RESTING_PRICE, `order ${id} came back with price ${echo.lmtPrice}`);
    this.check(echo.permId > 0, "the order has no permId");
    this.step("place a resting order", { order_id: id, client_id: echo.clientId, status: "resting" });
    return id;
  }

  async openOrders(id) {
    this.begin("open orders");
    const ends = this.all("openOrderEnd").length;
    const first = this.all("openOrder").length;
    this.ib.reqOpenOrders();
    await this.wait(() => this.all("openOrderEnd").length > ends, "the open orders with their end");
    const found = this.all("openOrder").slice(first);
    const ids = [...new Set(found.map((v) => v[0]))];
    this.check(ids.join() === String(id), `open orders are ${ids}, expected only ${id}`);
    this.check(found.every((v) => v[2].clientId === this.args.clientId), "open orders of other clients");
    this.step("open orders", { order_id: id, rows: ids.length });
  }

  async allOpenOrders(id) {
    this.begin("all open orders");
    const ends = this.all("openOrderEnd").length;
    const first = this.all("openOrder").length;
    this.ib.reqAllOpenOrders();
    await this.wait(() => this.all("openOrderEnd").length > ends, "all open orders with their end");
    const found = this.all("openOrder").slice(first);
    const mine = [...new Set(found.filter((v) => v[2].clientId === this.args.clientId).map((v) => v[0]))];
    this.check(mine.join() === String(id), `own orders among all open ones: ${mine}`);
    const others = [...new Set(found.map((v) => v[2].clientId))].filter((c) => c !== this.args.clientId).sort();
    this.step("all open orders", { order_id: id, volatile: { others } });
    this.foreignShown = this.foreignOrders().length;
  }

  async modify(id) {
    this.begin("modify the resting order");
    const seen = this.echoes(id).length;
    this.ib.placeOrder(id, this.stock, this.order("LMT", MODIFIED_PRICE));
    await this.wait(
      () => this.echoes(id).slice(seen).some((v) => v[2].lmtPrice === MODIFIED_PRICE),
      `order ${id} to come back with price ${MODIFIED_PRICE}`,
    );
    this.step("modify the resting order", { order_id: id, price: MODIFIED_PRICE });
  }

  async cancel(id) {
    this.begin("cancel the resting order");
    this.ib.cancelOrder(id);
    await this.wait(
      () => this.statuses(id).includes("Cancelled") && this.errors(id, 202).length > 0,
      `order ${id} to be cancelled, with 202`,
    );
    const fills = this.all("execDetails").filter((v) => v[0] === -1 && v[2].orderId === id);
    this.check(fills.length === 0, "the cancelled order has fills");
    this.step("cancel the resting order", { order_id: id, status: "Cancelled", code: 202 });
  }

  commissions() {
    return new Map(this.all("commissionReport").map((v) => [v[0].execId, v[0]]));
  }

  async marketOrder() {
    this.begin("market order");
    const id = this.newOrderId();
    const quantity = this.args.quantity;
    this.ib.placeOrder(id, this.stock, this.order("MKT"));
    await this.wait(() => this.statuses(id).includes("Filled"), `order ${id} to fill`);
    const fills = () => {
      const live = this.all("execDetails").filter((v) => v[0] === -1 && v[2].orderId === id);
      return [...new Map(live.map((v) => [v[2].execId, v[2]])).values()];
    };
    await this.wait(() => fills().reduce((sum, e) => sum + e.shares, 0) === quantity, `executions over ${quantity}`);
    await this.wait(
      () => fills().every((e) => this.commissions().has(e.execId)),
      `the commission of every execution of ${id}`,
    );
    for (const execution of fills()) {
      this.check(execution.clientId === this.args.clientId, `a fill of client ${execution.clientId}`);
      this.check(execution.orderRef === this.orderRef, `a fill with orderRef ${execution.orderRef}`);
      this.check(this.transcript.accounts.includes(execution.acctNumber), `a fill of ${execution.acctNumber}`);
      this.check(
        execution.price > 0 && this.commissions().get(execution.execId).commission > 0,
        "a fill without price or fee",
      );
    }
    const filled = this.all("orderStatus").filter((v) => v[0] === id && v[1] === "Filled").at(-1);
    this.check(filled[2] === quantity && filled[3] === 0, `filled ${filled[2]}, left ${filled[3]}`);
    const one = fills()[0];
    this.step("market order", {
      order_id: id,
      client_id: this.args.clientId,
      status: "Filled",
      filled: quantity,
      side: one.side,
      fee_currency: this.commissions().get(one.execId).currency,
      volatile: { fills: fills().length, price: filled[4] },
    });
    return id;
  }

  async executions(id) {
    const me = this.args.clientId;
    this.begin("executions of this client");
    let request = this.request();
    this.ib.reqExecutions(request, { clientId: me });
    await this.waitEnd("execDetailsEnd", request, "own executions");
    let found = this.rows("execDetails", request).map((v) => v[2]);
    this.check(found.every((e) => e.clientId === me), "asked for own executions, got others");
    let shares = found.filter((e) => e.orderId === id).reduce((sum, e) => sum + e.shares, 0);
    this.check(shares === this.args.quantity, `own executions sum up to ${shares}`);
    this.step("executions of this client", { req_id: request, order_id: id, shares });

    this.begin("executions of everybody");
    request = this.request();
    this.ib.reqExecutions(request, {});
    await this.waitEnd("execDetailsEnd", request, "all executions");
    found = this.rows("execDetails", request).map((v) => v[2]);
    const own = found.filter((e) => e.clientId === me && e.orderId === id);
    shares = own.reduce((sum, e) => sum + e.shares, 0);
    this.check(shares === this.args.quantity, `own executions among all sum up to ${shares}`);
    this.check(own.every((e) => e.orderRef === this.orderRef), "an own execution with another orderRef");
    const others = [...new Set(found.map((e) => e.clientId))].filter((c) => c !== me).sort();
    this.step("executions of everybody", { req_id: request, order_id: id, shares, volatile: { others } });
  }

  async completed() {
    this.begin("completed orders");
    this.ib.reqCompletedOrders(false);
    await this.wait(() => this.all("completedOrdersEnd").length > 0, "the completed orders with their end");
    const rows = this.all("completedOrder");
    if (this.transcript.server_version < 177) {
      // The library looks for one field less than servers below 177 send in a completed order, and reports each as
      // cut short. Only the end of the list can be checked.
      this.unreadable = "COMPLETED_ORDER";
      this.step("completed orders", { readable: false });
      return;
    }
    const own = rows
      .filter((v) => v[1].orderRef === this.orderRef)
      .map((v) => v[2].status)
      .sort();
    this.check(own.join() === "Cancelled,Filled", `own completed orders are ${own}`);
    this.step("completed orders", { own, readable: true, volatile: { others: rows.length - own.length } });
  }

  async clockAndIds() {
    this.begin("current time");
    this.ib.reqCurrentTime();
    await this.wait(() => this.all("currentTime").length > 0, "the current time");
    const now = this.all("currentTime")[0][0];
    this.check(now > 1577836800, `the clock says ${now}`);
    this.step("current time", { answered: true, volatile: { time: now } });
    this.begin("next valid id");
    const seen = this.all("nextValidId").length;
    this.ib.reqIds(1);
    await this.wait(() => this.all("nextValidId").length > seen, "the answer to reqIds");
    const value = this.all("nextValidId").at(-1)[0];
    this.check(value >= this.transcript.next_valid_id, `the next id went back to ${value}`);
    this.step("next valid id", { volatile: { value } });
  }

  // The ids in messages about orders of other clients. Only the answer about all open orders may bring any.
  foreignOrders() {
    const me = this.args.clientId;
    return [
      ...this.all("openOrder").filter((v) => v[2].clientId !== me),
      ...this.all("orderStatus").filter((v) => v[8] !== me),
    ].map((v) => v[0]);
  }

  strangers() {
    const me = this.args.clientId;
    for (const [id, , order] of this.all("openOrder"))
      if (order.clientId === me && (!this.orderIds.has(id) || order.orderRef !== this.orderRef))
        this.stranger("open order", { order_id: id, order_ref: order.orderRef });
    for (const v of this.all("orderStatus"))
      if (v[8] === me && !this.orderIds.has(v[0])) this.stranger("order status", { order_id: v[0], status: v[1] });
    const executed = new Set();
    for (const [request, , e] of this.all("execDetails")) {
      executed.add(e.execId);
      const own = e.clientId === me;
      const unknown = own && (!this.orderIds.has(e.orderId) || e.orderRef !== this.orderRef);
      if ((request === -1 && !own) || unknown || (request !== -1 && !this.requestIds.has(request)))
        this.stranger("execution", { req_id: request, order_id: e.orderId, client: e.clientId });
    }
    for (const execution of this.commissions().keys())
      if (!executed.has(execution)) this.stranger("commission", { execution });
  }

  async leave(complete = true) {
    this.begin("disconnect");
    this.strangers();
    const late = this.foreignOrders().slice(this.foreignShown);
    if (late.length)
      this.stranger("orders of other clients that were not asked for", { orders: late.slice(0, 10) });
    if (complete) {
      const odd = this.transcript.errors.filter(
        (e) =>
          !HARMLESS.has(e.code) &&
          !this.allowedErrors.has(`${e.id}/${e.code}`) &&
          !(this.unreadable && e.code === 505 && e.text.includes(this.unreadable)),
      );
      this.check(odd.length === 0, `unexpected errors ${JSON.stringify(odd.slice(0, 5))}`);
    }
    this.check(this.broken.length === 0, `the connection broke: ${this.broken[0]}`);
    this.leaving = true;
    this.ib.disconnect();
    await sleep(50);
    this.step("disconnect");
  }

  // Tours

  async full() {
    await this.connect();
    await this.meet("connected");
    await this.account();
    await this.contracts();
    await this.stream();
    await this.snapshot();
    await this.history();
    await this.meet("trading");
    const id = await this.placeResting();
    await this.openOrders(id);
    await this.modify(id);
    const foreign = this.foreignOrders();
    if (foreign.length)
      this.stranger("orders of other clients before all open orders were asked for", { orders: foreign.slice(0, 10) });
    await this.allOpenOrders(id);
    await this.cancel(id);
    const filled = await this.marketOrder();
    await this.executions(filled);
    await this.completed();
    await this.clockAndIds();
    await this.meet("leaving");
    await this.leave();
  }

  async onlyConnect() {
    await this.connect();
    await this.meet("connected");
    await this.leave();
  }

  async onlyStream() {
    await this.connect();
    await this.meet("connected");
    await this.stream();
    await this.leave();
  }

  async placeAndRest() {
    await this.connect();
    await this.placeResting();
    await this.leave();
  }

  // The order is written and the socket closed: what a script does that trades and ends. The library sends from a queue
  // of its own, so the socket is closed when the order has been handed to it.
  async placeAndExit() {
    await this.connect();
    this.begin("place and exit");
    const id = this.newOrderId();
    const placed = new Promise((resolve) =>
      this.ib.on(EventName.sent, (tokens) => {
        if (tokens[0] === 3) resolve();
      }),
    );
    this.ib.placeOrder(id, this.stock, this.order("LMT", RESTING_PRICE));
    await placed;
    this.leaving = true;
    this.ib.disconnect();
    await sleep(50);
    this.step("place and exit", { order_id: id });
  }

  // Finds the order that an earlier tour under this client id left behind, and cancels it.
  async comeBack() {
    await this.connect();
    this.begin("come back");
    this.ib.reqOpenOrders();
    await this.wait(() => this.all("openOrderEnd").length > 0, "the open orders with their end");
    const found = new Map(this.all("openOrder").map((v) => [v[0], v[2]]));
    const references = [...found.values()].map((order) => order.orderRef);
    this.check(references.join() === this.orderRef, `the open orders found have the references ${references}`);
    const [[id, order]] = found;
    this.check(order.totalQuantity === this.args.quantity, `its quantity is ${order.totalQuantity}`);
    this.check(id < this.nextOrder, `order ${id} is not below nextValidId ${this.nextOrder}`);
    this.orderIds.add(id);
    this.step("come back", { order_id: id, rows: found.size });
    await this.cancel(id);
    await this.leave();
  }

  async hang() {
    await this.connect();
    this.begin("hang");
    const request = this.request();
    this.ib.reqMktData(request, this.stock, "", false, false);
    await this.wait(() => this.rows("tickPrice", request).length > 0, "a price");
    this.step("hang", { req_id: request });
    clearTimeout(this.watch);
    this.transcript.ok = true;
    this.say();
    for (;;) await sleep(3600000);
  }

  // Orders and cancels that are refused, and what comes back.
  async rejected() {
    await this.connect();
    this.begin("order for an unknown contract");
    const id = this.newOrderId();
    this.ib.placeOrder(id, { ...this.stock, symbol: UNKNOWN_SYMBOL }, this.order("LMT", 1));
    await this.wait(() => this.errors(id).length > 0, `the refusal of order ${id}`);
    this.step("order for an unknown contract", { order_id: id, codes: this.errors(id).map((e) => e.code) });

    const resting = await this.placeResting();
    this.begin("refused modify");
    this.ib.placeOrder(resting, this.stock, this.order("NONSENSE", 1));
    await this.wait(() => this.errors(resting).length > 0, `the refusal of the modify of order ${resting}`);
    this.step("refused modify", { order_id: resting, codes: this.errors(resting).map((e) => e.code) });
    await this.cancel(resting);

    this.begin("cancel of an unknown order");
    const unknown = this.newOrderId();
    this.ib.cancelOrder(unknown);
    await this.wait(() => this.errors(unknown).length > 0, "the refusal of the cancel");
    const codes = this.errors(unknown).map((e) => e.code);
    this.check(codes.join() === "10147", `the cancel of an unknown order drew ${codes}`);
    this.step("cancel of an unknown order", { order_id: unknown, codes });
    await this.leave(false);
  }

  // The Gateway goes away while an order rests; a modify and a cancel are then refused.
  async outage() {
    await this.connect();
    const id = await this.placeResting();
    await this.meet("resting");
    this.begin("outage");
    await this.wait(() => this.errors(-1, 1100).length > 0, "1100", 60);
    this.ib.placeOrder(id, this.stock, this.order("LMT", MODIFIED_PRICE));
    await this.wait(() => this.errors(id).length > 0, "the refusal of the modify");
    const codes = this.errors(id).map((e) => e.code);
    this.step("modify while the Gateway is away", { order_id: id, codes });
    this.ib.cancelOrder(id);
    await this.wait(() => this.errors(id).length > codes.length, "the refusal of the cancel");
    this.step("cancel while the Gateway is away", {
      order_id: id,
      codes: this.errors(id)
        .slice(codes.length)
        .map((e) => e.code),
    });
    await this.leave(false);
  }

  say() {
    if (!this.said) {
      this.said = true;
      if (this.args.meet && !this.transcript.ok) this.leaveMark("failed");
      fs.writeSync(1, JSON.stringify(this.transcript) + "\n");
    }
  }

  finish(failure) {
    clearTimeout(this.watch);
    if (!failure && this.transcript.strangers.length)
      failure = `${this.transcript.strangers.length} messages were not for this client`;
    this.transcript.failure = failure || null;
    this.transcript.ok = !failure;
    this.say();
    process.exit(failure ? 1 : 0);
  }
}

async function main() {
  const tour = new Tour(readArguments());
  const started = Date.now();
  try {
    await {
      full: () => tour.full(),
      connect: () => tour.onlyConnect(),
      stream: () => tour.onlyStream(),
      "place-and-rest": () => tour.placeAndRest(),
      "place-and-exit": () => tour.placeAndExit(),
      "come-back": () => tour.comeBack(),
      hang: () => tour.hang(),
      rejected: () => tour.rejected(),
      outage: () => tour.outage(),
    }[tour.args.tour]();
    tour.step("end", { volatile: { seconds: (Date.now() - started) / 1000 } });
    tour.finish();
  } catch (error) {
    tour.finish(error instanceof TourFailed ? error.message : `${tour.current}: ${error.stack || error}`);
  }
}

main().catch((error) => {
  process.stderr.write(`${error.message || error}\n`);
  process.exit(2);
});
