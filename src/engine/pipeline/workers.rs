//! Threads that make the messages of a replay ahead of their release, one share of the instruments
//! each.
//!
//! Windows are made in the order in which they are begun. Each thread answers each window, so that the
//! threads never drift apart, and a window is whole when every thread has answered it.

use std::collections::VecDeque;
use std::ops::Range;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::event_window::EventWindow;
use tickdeck_core::thread;

use super::options::PublisherOptions;
use super::share::{Made, MadeTick, Primed, Share};
use crate::sink::{MessageBatch, MessageBatchBuilder};

/// Windows that may be begun and not taken yet. More would only wait.
pub(super) const WINDOWS_AHEAD: usize = 2;

/// What a thread is asked for.
enum Work {
    /// The messages of a window, from a place on.
    Make(EventWindow, usize, Made),
    /// Nothing but the state after the events before a place.
    Prime(EventWindow, usize),
    /// The last known payloads.
    TakePrimed,
    /// To forget everything.
    NewPass,
}

/// What a thread answers.
enum Answer {
    Made(Made),
    Primed(Vec<Primed>),
    Done,
}

struct Worker {
    work: Sender<Work>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
    /// Of earlier windows, to be used again.
    used: Vec<Made>,
}

/// The threads.
pub(super) struct Workers {
    workers: Vec<Worker>,
    /// The places of the windows that are begun and not taken.
    begun: VecDeque<Range<u32>>,
}

impl Workers {
    /// Starts `count` threads; `None` where the system cannot.
    pub(super) fn start(options: &PublisherOptions, count: usize) -> Option<Self> {
        let start = |number| {
            let mut share = Share::new(options, number, count);
            // One more for whatever is asked between windows.
            let (work, incoming) = bounded(WINDOWS_AHEAD + 1);
            let (sender, answers) = bounded(WINDOWS_AHEAD + 1);
            let run = move || {
                for work in incoming {
                    // The receiver is gone: so is the session.
                    if sender.send(answer(&mut share, work)).is_err() {
                        return;
                    }
                }
            };
            let thread = thread::spawn("encode", run).ok()?;
            Some(Worker {
                work,
                answers,
                thread,
                used: Vec::new(),
            })
        };
        Some(Self {
            workers: (0..count).map(start).collect::<Option<_>>()?,
            begun: VecDeque::new(),
        })
    }

    /// Begins a window: the events of `events` from `first` on.
    pub(super) fn begin(&mut self, events: &EventWindow, first: usize) {
        let place = |place| u32::try_from(place).unwrap_or(u32::MAX);
        self.begun
            .push_back(place(first)..place(events.slice().len()));
        self.ask_each(|worker| {
            let made = worker.used.pop().unwrap_or_default();
            Work::Make(events.clone(), first, made)
        });
    }

    /// Whether a window is begun and not taken.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The oldest window that is begun. The threads are done with its events.
    pub(super) fn take(&mut self) -> Option<Window> {
        let places = self.begun.pop_front()?;
        let parts = self
            .answers()
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Made(made) => Some(made),
                Answer::Primed(_) | Answer::Done => None,
            });
        Some(Window::new(places, parts.collect()))
    }

    /// Takes back what is used up. `buffers` are for messages.
    pub(super) fn reuse(
        &mut self,
        window: Window,
        mut buffers: impl FnMut() -> Option<MessageBatchBuilder>,
    ) {
        for (worker, mut made) in self.workers.iter_mut().zip(window.into_parts()) {
            made.ticks.clear();
            // As many as the next window may need. Small batches have not taken theirs.
            let most = made.batches.len();
            for batch in made.batches.drain(..) {
                if made.spares.len() < most {
                    made.spares.extend(batch.recycle().or_else(&mut buffers));
                }
            }
            worker.used.push(made);
        }
    }

    /// Primes every share with the events of `events` before `end`, and waits for it.
    pub(super) fn prime(&mut self, events: &EventWindow, end: usize) {
        self.ask_each(|_| Work::Prime(events.clone(), end));
        self.answers();
    }

    /// The last known payloads before the start point.
    pub(super) fn take_primed(&mut self) -> Vec<Primed> {
        self.ask_each(|_| Work::TakePrimed);
        let answers = self.answers().into_iter();
        answers
            .flat_map(|answer| match answer {
                Answer::Primed(primed) => primed,
                Answer::Made(_) | Answer::Done => Vec::new(),
            })
            .collect()
    }

    /// Drops the windows that are begun, and forgets everything.
    pub(super) fn new_pass(&mut self) {
        while self.take().is_some() {}
        self.ask_each(|_| Work::NewPass);
        self.answers();
    }

    fn ask_each(&mut self, mut work: impl FnMut(&mut Worker) -> Work) {
        for worker in &mut self.workers {
            let work = work(worker);
            // A thread that panicked says so when its answer is awaited.
            let _ = worker.work.send(work);
        }
    }

    /// One answer of each thread.
    fn answers(&mut self) -> Vec<Answer> {
        let answers: Option<Vec<Answer>> = self
            .workers
            .iter()
            .map(|worker| worker.answers.recv().ok())
            .collect();
        answers.unwrap_or_else(|| self.fail())
    }

    /// Ends with the panic of the thread that no longer answers.
    #[cold]
    fn fail(&mut self) -> Vec<Answer> {
        for Worker { work, thread, .. } in self.workers.drain(..) {
            drop(work);
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        Vec::new()
    }
}

fn answer(share: &mut Share, work: Work) -> Answer {
    match work {
        Work::Make(events, first, mut made) => {
            let place = u32::try_from(first).unwrap_or(u32::MAX);
            let events = events.slice();
            share.make(events.range(first..events.len()), place, &mut made);
            Answer::Made(made)
        }
        Work::Prime(events, end) => {
            share.prime(events.slice().range(0..end));
            Answer::Done
        }
        Work::TakePrimed => Answer::Primed(share.take_primed()),
        Work::NewPass => {
            share.new_pass();
            Answer::Done
        }
    }
}

/// What the threads made of one window, a part each, handed out in the order of its events.
#[derive(Debug)]
pub(super) struct Window {
    parts: Vec<Part>,
    /// The places that are not handed out yet.
    places: Range<u32>,
}

#[derive(Debug)]
struct Part {
    made: Made,
    /// The next tick.
    tick: usize,
    /// The batch with the next message, and its position there.
    batch: usize,
    message: usize,
}

impl Part {
    /// Steps over `count` messages of the current batch.
    fn advance(&mut self, count: usize) {
        self.message += count;
        if self.message >= self.made.batches[self.batch].len() {
            self.batch += 1;
            self.message = 0;
        }
    }
}

impl Window {
    pub(super) fn new(places: Range<u32>, made: Vec<Made>) -> Self {
        let parts = made.into_iter().map(|made| Part {
            made,
            tick: 0,
            batch: 0,
            message: 0,
        });
        Self {
            parts: parts.collect(),
            places,
        }
    }

    /// Whether everything is handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Hands out the next `count` places: returns them, and their ticks come next.
    pub(super) fn advance(&mut self, count: usize) -> Range<u32> {
        let start = self.places.start;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.places.start = start.saturating_add(count).min(self.places.end);
        start..self.places.start
    }

    /// The next tick before `end`, with the number of its part.
    #[inline]
    pub(super) fn next_tick(&mut self, end: u32) -> Option<(usize, MadeTick)> {
        let next = |part: &Part| part.made.ticks.get(part.tick).copied();
        let ticks = self.parts.iter().enumerate();
        let (number, tick) = ticks
            .filter_map(|(number, part)| Some((number, next(part)?)))
            .min_by_key(|(_, tick)| tick.place)
            .filter(|(_, tick)| tick.place < end)?;
        self.parts[number].tick += 1;
        Some((number, tick))
    }

    /// Whether one thread has made it all, so that its batches are in order as they are.
    pub(super) fn is_whole(&self) -> bool {
        self.parts.len() == 1
    }

    /// The next `count` messages as they are, if the window [is whole](Self::is_whole) and one batch has
    /// them.
    pub(super) fn take_messages(&mut self, count: usize) -> Option<MessageBatch> {
        let [part] = &mut self.parts[..] else {
            return None;
        };
        let batch = part.made.batches.get(part.batch)?;
        let taken = batch.range(part.message, count);
        if count == 0 || taken.len() < count {
            return None;
        }
        part.advance(count);
        Some(taken)
    }

    /// Copies the next message of a part. False when there is none.
    #[inline]
    pub(super) fn copy_message(&mut self, number: usize, to: &mut MessageBatchBuilder) -> bool {
        let part = &mut self.parts[number];
        let Some(batch) = part.made.batches.get(part.batch) else {
            return false;
        };
        to.push_copy(batch, part.message);
        part.advance(1);
        true
    }

    /// The subjects of instruments that had no message before.
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = (usize, bytes::Bytes)> {
        self.parts
            .iter_mut()
            .flat_map(|part| part.made.subjects.drain(..))
    }

    /// The parts, to be used again.
    pub(super) fn into_parts(self) -> impl Iterator<Item = Made> {
        self.parts.into_iter().map(|part| part.made)
    }
}
