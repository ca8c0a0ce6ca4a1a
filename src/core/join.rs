//! Joining and leaving what exists once upstream: account updates, positions, bulletins.

use super::ask::Asked;
use super::backlog::About;
use super::pacer::{Post, What};
use super::replay::Again;
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::ClientKey;
use crate::protocol::model::{Role, Shared};

impl Core {
    pub(super) fn join(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, stream: Shared) {
        let key = asked.key;
        if stream == Shared::AccountUpdates {
            let on = asked.shape.int(&asked.message, Role::Subscribe).ok().flatten().unwrap_or(0) != 0;
            if !on {
                return self.leave(ctx, key, stream, Some(asked));
            }
            if !self.take_account_slot(ctx, asked) {
                return;
            }
        }
        self.timers.disarm(Timer::Stream(stream));
        let wants_all = stream == Shared::Bulletins
            && asked.shape.field(&asked.message, "allMsgs").is_ok_and(|f| f.as_deref() == Some("1"));
        if self.streams.get_mut(stream).join(key) {
            let again = self.asked_again(asked);
            if self.is_ready() {
                self.suspect(ctx, key);
                self.enqueue_frame(ctx, Post::of(key, What::Begin(stream)), again.frame());
            }
            let state = self.streams.get_mut(stream);
            (state.again, state.has_all) = (Some(again), wants_all);
            return;
        }
        if stream != Shared::Bulletins || wants_all {
            for row in self.streams.get(stream).image() {
                self.tell_kept(ctx, key, &row, &[]);
            }
        }
        if wants_all && !self.streams.get(stream).has_all {
            // Those of the day were not asked for yet. What is known of them is not told again.
            let again = self.asked_again(asked);
            if self.is_ready() {
                self.enqueue_frame(ctx, Post::of(key, What::Rest(stream)), again.frame());
            }
            let state = self.streams.get_mut(stream);
            (state.again, state.has_all) = (Some(again), true);
        }
    }

    /// A client's subscription of a stream, to be sent now and after an outage.
    fn asked_again(&mut self, asked: &Asked<'_>) -> Again {
        let frame = self.frame_of(asked, &[]);
        Again::new(self.speeches.upstream().version(), frame)
    }

    /// Account updates are for one account at a time. Says whether the asker may have its account now.
    fn take_account_slot(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> bool {
        let wanted = asked.shape.str(&asked.message, Role::Account).ok().flatten().unwrap_or_default();
        let mut wanted = String::from_utf8_lossy(wanted).into_owned();
        let accounts = self.known.accounts.as_deref().unwrap_or_default().trim_end_matches(',');
        if !accounts.contains(',') {
            // With one account there are no groups and models: any other code would be refused by the Gateway, and
            // the refusal carries no id that would tell whose it is.
            if !wanted.is_empty() && wanted != accounts {
                let words = format!("Error validating request: invalid account code '{wanted}'.");
                self.send_error(ctx, asked.key, -1, codes::INVALID, &words);
                return false;
            }
            wanted = accounts.to_owned();
        }
        let slot = self.streams.get_mut(Shared::AccountUpdates);
        if slot.is_live() && slot.account != wanted {
            let (is_in, others) = (slot.has(asked.key), slot.subscribers().iter().any(|c| *c != asked.key));
            if others {
                let words = "Unable to subscribe to account as the following clients are subscribed to a different \
                             account: another client of this Gateway. Use reqAccountUpdatesMulti.";
                self.send_error(ctx, asked.key, -1, codes::ACCOUNT_TAKEN, words);
                return false;
            }
            // Its only subscriber changes its mind, or nobody wants it any more. The old subscription is ended first, so
            // that the 2100 which that draws is known to be ours.
            if is_in {
                self.tell_unsubscribed(ctx, asked.key);
            }
            self.end_stream(ctx, Shared::AccountUpdates);
        }
        self.streams.get_mut(Shared::AccountUpdates).account = wanted;
        true
    }

    /// A client leaves a shared stream; the last one ends the upstream subscription. `asked`: its own request to
    /// leave, if it made one.
    pub(super) fn leave(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        stream: Shared,
        asked: Option<&Asked<'_>>,
    ) {
        let Some(last) = self.streams.get_mut(stream).leave(key) else { return };
        self.stream_replayed(stream, last);
        if let Some(client) = self.clients.get_mut(key) {
            client.backlog.take(About::Stream(stream));
        }
        if stream == Shared::AccountUpdates && asked.is_some() {
            self.tell_unsubscribed(ctx, key);
        }
        if last {
            self.stream_unwanted(ctx, stream);
        }
    }

    fn tell_unsubscribed(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let words = "API client has been unsubscribed from account data.";
        self.send_error(ctx, key, -1, codes::ACCOUNT_UNSUBSCRIBED, words);
    }
}
