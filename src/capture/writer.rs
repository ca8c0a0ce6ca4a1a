//! The capture's thread: a slow disk must not stall the event loop.
//!
//! Owns: the queue between the two, the file, its limit, and the mark where records are missing. May not know: what is
//! captured. Driven by: `shell::captures`.
//!
//! **The queue is bounded in records and bytes, and whoever fills it never waits**: what does not fit is left out, the
//! file says how much at the place where it is missing, and a metric counts. Masking and checksums are the thread's work.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::CaptureRequest;
use super::format::{self, Begin, End, FRAME_HEAD, RECORD_HEAD, Record, Side, What};
use super::mask::Masker;
use crate::limits;
use crate::telemetry::captures::Counts;
use crate::time::Time;

/// Room that is kept for the last records, which say that something is missing and that the limit was reached.
const LAST_RECORDS: u64 = 2 * (FRAME_HEAD + RECORD_HEAD + 16) as u64;
/// What a record takes beside its bytes, about.
const OVERHEAD: usize = 64;

/// What both ends of the queue count.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes in the queue.
    queued: AtomicUsize,
    /// Whether the thread has nothing to do, and the file has everything.
    is_idle: AtomicBool,
    /// Records, and their bytes, that were left out and that the file does not tell of yet.
    left_out: (AtomicU64, AtomicU64),
}

impl Shared {
    fn take_left_out(&self) -> Option<What> {
        let (records, bytes) = &self.left_out;
        match records.swap(0, Ordering::Relaxed) {
            0 => None,
            records => Some(What::LeftOut { records, bytes: bytes.swap(0, Ordering::Relaxed) }),
        }
    }

    fn leave_out(&self, records: u64, bytes: u64) {
        self.left_out.0.fetch_add(records, Ordering::Relaxed);
        self.left_out.1.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The event loop's end of the queue. Dropping it ends the capture, without waiting for that.
#[derive(Debug)]
pub struct Queue {
    records: SyncSender<Record>,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

/// The thread's end of the queue.
#[derive(Debug)]
pub struct Intake {
    records: Receiver<Record>,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
}

/// The capture is over: its file is full, or cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Over;

/// A queue for so many records.
pub fn queue(records: usize, counts: Arc<Counts>) -> (Queue, Intake) {
    let (send, receive) = mpsc::sync_channel(records);
    let shared = Arc::<Shared>::default();
    let intake = Intake { records: receive, shared: shared.clone(), counts: counts.clone() };
    (Queue { records: send, shared, counts }, intake)
}

impl Queue {
    /// Hands over a record, or leaves it out where there is no room. Never waits.
    ///
    /// # Errors
    /// [`Over`]: nothing more will be taken.
    pub fn push(&self, record: Record) -> Result<(), Over> {
        if let Some(what) = self.shared.take_left_out() {
            let What::LeftOut { records, bytes } = what else { return Ok(()) };
            let mark = Record { time: record.time, side: Side::None, what };
            match self.records.try_send(mark) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => return Err(Over),
                Err(TrySendError::Full(_)) => {
                    // Still no room: what follows is missing at the same place.
                    self.shared.leave_out(records, bytes);
                    return self.leave_out(&record);
                }
            }
        }
        let bytes = record.what.bytes().len() + OVERHEAD;
        let too_large = bytes + RECORD_HEAD > limits::MAX_CAPTURE_RECORD;
        if too_large || self.shared.queued.load(Ordering::Relaxed) + bytes > limits::MAX_CAPTURE_QUEUE_BYTES {
            return self.leave_out(&record);
        }
        self.shared.queued.fetch_add(bytes, Ordering::Relaxed);
        match self.records.try_send(record) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(Over),
            Err(TrySendError::Full(record)) => {
                self.shared.queued.fetch_sub(bytes, Ordering::Relaxed);
                self.leave_out(&record)
            }
        }
    }

    /// Counts a record that is missing here.
    ///
    /// # Errors
    /// None; it is the answer of [`Queue::push`].
    pub fn leave_out(&self, record: &Record) -> Result<(), Over> {
        self.shared.leave_out(1, record.what.bytes().len() as u64);
        self.counts.left_out();
        Ok(())
    }
}

/// A capture that is being written.
#[derive(Debug)]
pub struct Handle {
    /// The way to its file.
    pub queue: Queue,
    done: Receiver<()>,
}

/// Creates the file and starts the thread. The first record is written by the thread, like all others: the caller waits for
/// the making of the file alone.
///
/// # Errors
/// Words for people: there is such a file already, it cannot be made, or the system gives no thread.
pub fn start(
    request: &CaptureRequest,
    begin: Begin,
    now: Time,
    accounts: Vec<String>,
    counts: Arc<Counts>,
) -> Result<Handle, String> {
    let file = create(&request.path)?;
    let (queue, intake) = queue(limits::MAX_CAPTURE_QUEUE, counts.clone());
    let first = Record { time: now, side: Side::None, what: What::Begin(Box::new(begin)) };
    let _ = queue.push(first);
    if let Ok(mut last) = LAST.lock() {
        *last = Some(queue.shared.clone());
    }
    let masker = request.mask.then(|| Masker::new(accounts));
    let (end, done) = mpsc::channel();
    let (limit, name) = (request.limit, request.path.display().to_string());
    counts.begins();
    let begun = counts.clone();
    let writer = move || {
        match write(intake, &file, limit, masker) {
            Ok(End::Stopped) => tracing::info!("the capture {name} has ended"),
            Ok(End::Limit) => {
                tracing::warn!(
                    "the capture {name} has ended, because it has reached its limit of {limit} bytes"
                );
            }
            Err(error) => {
                tracing::error!("the capture {name} has ended, because it cannot be written: {error}")
            }
        }
        counts.ends();
        // Nobody may be left to hear it.
        let _ = end.send(());
    };
    let spawned = std::thread::Builder::new().name("capture".into()).spawn(writer);
    spawned.map_err(|error| {
        begun.ends();
        format!("no thread for the capture: {error}")
    })?;
    Ok(Handle { queue, done })
}

/// The queue of the last capture, for [`settle`].
static LAST: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

/// Waits until what was handed over is in the file, if a capture runs; not longer than `most`. For a process that is about to
/// end by a panic: what led to it is the last thing in the queue, and the one that is wanted.
pub fn settle(most: Duration) {
    let Ok(last) = LAST.try_lock() else { return };
    let Some(shared) = &*last else { return };
    // The queue's other end is held by a thread that does not come back: gone is gone.
    let is_over = || Arc::strong_count(shared) <= 2;
    let deadline = Instant::now() + most;
    while !is_over() && Instant::now() < deadline {
        if shared.queued.load(Ordering::Acquire) == 0 && shared.is_idle.load(Ordering::Acquire) {
            return;
        }
        std::thread::yield_now();
    }
}

/// A new file that nobody else reads: it holds what an account does.
fn create(path: &Path) -> Result<File, String> {
    let name = path.display();
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "the capture {name} exists already and is not overwritten; move it away, or choose another name"
        ),
        _ => format!("the capture {name} cannot be made: {error}"),
    })
}

impl Handle {
    /// Ends the capture, and waits until its file is written, for [`limits::CAPTURE_CLOSE_TIME`] at most.
    ///
    /// # Errors
    /// Words for the log: the end of it may be missing.
    pub fn close(self) -> Result<(), String> {
        let Handle { queue, done } = self;
        drop(queue);
        done.recv_timeout(limits::CAPTURE_CLOSE_TIME).map_err(|_| {
            let seconds = limits::CAPTURE_CLOSE_TIME.as_secs();
            format!("the disk did not take the rest of the capture within {seconds} s: its end is missing")
        })
    }
}

/// Writes what comes until the queue's other end is gone, or the limit is reached.
///
/// # Errors
/// The system's.
pub fn write(intake: Intake, file: impl Write, limit: u64, mut masker: Option<Masker>) -> io::Result<End> {
    let mut file = BufWriter::new(file);
    let mut bytes = Vec::new();
    format::put_head(&mut bytes);
    let mut length = 0;
    let mut time = Time::ZERO;
    let end = loop {
        length += bytes.len() as u64;
        file.write_all(&bytes)?;
        intake.counts.wrote(bytes.len() as u64);
        bytes.clear();
        let next = match intake.records.try_recv() {
            Err(TryRecvError::Empty) => {
                // A crash takes no more with it than what is under way.
                file.flush()?;
                intake.shared.is_idle.store(true, Ordering::Release);
                let next = intake.records.recv().ok();
                intake.shared.is_idle.store(false, Ordering::Release);
                next
            }
            next => next.ok(),
        };
        let Some(mut record) = next else { break End::Stopped };
        if !matches!(record.what, What::LeftOut { .. }) {
            // After the mark that the thread is busy: see `settle`.
            let bytes = record.what.bytes().len() + OVERHEAD;
            intake.shared.queued.fetch_sub(bytes, Ordering::Release);
        }
        if let Some(masker) = &mut masker {
            masker.mask(&mut record);
        }
        time = record.time;
        format::put(&record, &mut bytes);
        if length + bytes.len() as u64 + LAST_RECORDS > limit {
            break End::Limit;
        }
    };
    bytes.clear();
    if let Some(what) = intake.shared.take_left_out() {
        format::put(&Record { time, side: Side::None, what }, &mut bytes);
    }
    format::put(&Record { time, side: Side::None, what: What::End(end) }, &mut bytes);
    intake.counts.wrote(bytes.len() as u64);
    file.write_all(&bytes)?;
    file.flush()?;
    Ok(end)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
