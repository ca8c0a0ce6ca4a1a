//! The book as tests see it.

use super::{
    Gateway,
    book::{Execution, Order, Status},
};
use crate::sim::view::{BookExecution, BookOrder};

impl Gateway {
    /// Every order in the book, also those that are over, by client id and order id.
    pub fn book_orders(&self) -> Vec<BookOrder> {
        let symbol = |o: &Order| match self.instruments.by_id(o.con_id) {
            Some(i) => i.symbol.clone(),
            None => o.text("symbol").into(),
        };
        self.book.orders().map(|o| order(o, symbol(o))).collect()
    }

    /// The contract of a symbol: the stock, where there are several.
    pub fn con_id_of(&self, symbol: &str) -> Option<i64> {
        let all = || self.instruments.all().iter().filter(|i| i.symbol == symbol);
        all().find(|i| i.sec_type == "STK").or_else(|| all().next()).map(|i| i.con_id)
    }

    /// Every execution in the book, oldest first.
    pub fn book_executions(&self) -> Vec<BookExecution> {
        self.book.executions.iter().map(execution).collect()
    }
}

fn order(o: &Order, symbol: String) -> BookOrder {
    BookOrder {
        client_id: o.key.0,
        order_id: o.shown_id(),
        perm_id: o.perm_id,
        order_ref: o.text("orderRef").into(),
        account: o.account.clone(),
        con_id: o.con_id,
        symbol,
        action: o.text("action").into(),
        order_type: o.text("orderType").into(),
        limit: o.price("lmtPrice"),
        stop: o.price("auxPrice"),
        quantity: o.quantity,
        filled: o.filled,
        remaining: o.remaining(),
        average: o.average,
        status: o.status.word(),
        completed_status: o.completed_status.clone(),
        parent: o.parent,
        oca_group: o.text("ocaGroup").into(),
        held: o.status == Status::Held,
        manual: o.manual,
        working: o.status.is_working(),
        over: o.status.is_over(),
    }
}

fn execution(e: &Execution) -> BookExecution {
    let text = |name| e.values.get(name).unwrap_or_default().to_owned();
    let float = |name| e.values.float(name).unwrap_or_default();
    BookExecution {
        exec_id: text("execId"),
        client_id: e.key.0,
        order_id: e.values.int("orderId").unwrap_or_default() as i32,
        perm_id: e.values.int("permId").unwrap_or_default(),
        order_ref: text("orderRef"),
        account: e.account.clone(),
        buy: e.buy,
        quantity: float("shares"),
        price: float("price"),
        cumulative: float("cumQty"),
    }
}
