"""What programs hold after they connected (ib_connect.py), held against what is so at the simulated Gateway."""

def expected(direct, orders, placed, client_id):
    """What a client has to hold: `direct` is what a stranger holds that is connected to the Gateway itself, `orders` the
    Gateway's book, `placed` the owner and the order id of each order by its reference."""
    executions = {}
    for exec_id, execution in direct["executions"].items():
        owner, order_id = placed[execution["order_ref"]]
        executions[exec_id] = execution | {"client_id": owner, "order_id": order_id}
    own = [o for o in orders if o["working"] and placed[o["order_ref"]][0] == client_id]
    return direct | {"executions": executions, "open orders": {o["order_ref"]: _order(o, placed) for o in own}}


def _order(order, placed):
    owner, order_id = placed[order["order_ref"]]
    known = {name: order[name] for name in ("perm_id", "account", "con_id", "action", "order_type", "quantity", "limit")}
    known |= {name: order[name] for name in ("status", "filled", "remaining")}
    return known | {"client_id": owner, "order_id": order_id}


def differences(wanted, held):
    """Where a program holds something else than wanted; one line for each kind of thing."""
    found = []
    for kind, rows in wanted.items():
        other = held[kind]
        missing, more = sorted(rows.keys() - other.keys()), sorted(other.keys() - rows.keys())
        unlike = [row for row in sorted(rows.keys() & other.keys()) if rows[row] != other[row]]
        words = []
        for what, names in [("missing", missing), ("strange", more)]:
            if names:
                words.append(f"{len(names)} of {len(rows)} {what} ({names[0]} ...)")
        if unlike:
            words.append(f"{len(unlike)} unlike ({unlike[0]}: {_unlike(rows[unlike[0]], other[unlike[0]])})")
        if words:
            found.append(f"{kind}: {', '.join(words)}")
    return found


def _unlike(wanted, held):
    if isinstance(wanted, dict):
        names = [n for n in wanted.keys() | held.keys() if wanted.get(n) != held.get(n)]
        return ", ".join(f"{n} {held.get(n)} and not {wanted.get(n)}" for n in sorted(names))
    return f"{held} and not {wanted}"


def described(answer):
    """How a connect went, in a few words."""
    ends = sorted((seconds, what) for what, times in answer["ends"].items() for seconds in times)
    return f"{answer['seconds']} s; ends after s: " + ", ".join(f"{what} {seconds}" for seconds, what in ends)
