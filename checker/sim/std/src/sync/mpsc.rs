//! `std::sync::mpsc`.

use ::std::cell::Cell;
use ::std::collections::VecDeque;
use ::std::fmt;
use ::std::iter::FusedIterator;
use ::std::marker::PhantomData;
use ::std::mem;
use ::std::panic::{Location, RefUnwindSafe, UnwindSafe};
use ::std::sync::{Arc, Mutex, PoisonError};
use ::std::time::Duration;

use sim::{Event, Queue, Wake};

pub use ::std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// What both ends of a channel share.
struct Channel<T> {
    state: Mutex<State<T>>,
    /// The receiver, when it waits for a message.
    receiver: Queue,
    /// Senders that wait for room, or for their message to be taken.
    senders: Queue,
}

struct State<T> {
    /// Messages with their numbers.
    messages: VecDeque<(u64, T)>,
    sent: u64,
    /// `None`: as many as there is memory for; 0: each is handed over from hand to hand.
    room: Option<usize>,
    senders: usize,
    receiver_lives: bool,
    receiver_waits: bool,
}

impl<T> Channel<T> {
    fn new(room: Option<usize>) -> Arc<Self> {
        let state = State {
            messages: VecDeque::new(),
            sent: 0,
            room,
            senders: 1,
            receiver_lives: true,
            receiver_waits: false,
        };
        Arc::new(Self { state: Mutex::new(state), receiver: Queue::new(), senders: Queue::new() })
    }

    fn with<R>(&self, work: impl FnOnce(&mut State<T>) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a message in, if there is room and somebody to take it.
    #[track_caller]
    fn try_send(&self, message: T, hand_over: bool) -> Result<u64, TrySendError<T>> {
        let number = self.with(|state| {
            let room = match state.room {
                None => true,
                Some(0) => state.messages.is_empty() && (hand_over || state.receiver_waits),
                Some(room) => state.messages.len() < room,
            };
            if !state.receiver_lives {
                return Err(TrySendError::Disconnected(message));
            }
            if !room {
                return Err(TrySendError::Full(message));
            }
            state.sent += 1;
            state.messages.push_back((state.sent, message));
            Ok(state.sent)
        });
        if number.is_ok() {
            self.receiver.wake_all();
        }
        sim::tell(Location::caller(), || {
            let what = match &number {
                Ok(_) => "sent a message",
                Err(TrySendError::Full(_)) => "saw that the channel has no room",
                Err(TrySendError::Disconnected(_)) => "saw that the channel's receiver is gone",
            };
            what.to_owned()
        });
        number
    }

    #[track_caller]
    fn send(&self, mut message: T) -> Result<(), SendError<T>> {
        let at = Location::caller();
        sim::point(at);
        let number = loop {
            message = match self.try_send(message, true) {
                Ok(number) => break number,
                Err(TrySendError::Disconnected(message)) => return Err(SendError(message)),
                Err(TrySendError::Full(message)) => message,
            };
            self.senders.enter_and_wait(Event::Room, at, None);
        };
        if self.with(|state| state.room) != Some(0) {
            return Ok(());
        }
        // From hand to hand: it counts as sent when it is taken.
        loop {
            let unsent = self.with(|state| {
                let index = state.messages.iter().position(|(known, _)| *known == number)?;
                let lost = !state.receiver_lives;
                Some(lost.then(|| state.messages.remove(index)).flatten())
            });
            match unsent {
                None => return Ok(()),
                Some(Some((_, message))) => return Err(SendError(message)),
                Some(None) => self.senders.enter_and_wait(Event::Room, at, None),
            };
        }
    }

    #[track_caller]
    fn try_recv(&self) -> Result<T, TryRecvError> {
        let message = self.with(|state| match state.messages.pop_front() {
            Some((_, message)) => Ok(message),
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        });
        if message.is_ok() {
            self.senders.wake_all();
        }
        sim::tell(Location::caller(), || {
            let what = match &message {
                Ok(_) => "received a message",
                Err(TryRecvError::Empty) => "saw that the channel has no message",
                Err(TryRecvError::Disconnected) => "saw that the channel's senders are gone",
            };
            what.to_owned()
        });
        message
    }

    #[track_caller]
    fn recv(&self, deadline: Option<Duration>) -> Result<T, RecvTimeoutError> {
        let at = Location::caller();
        sim::point(at);
        let mut wake = Wake::Woken;
        loop {
            match self.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if wake == Wake::TimedOut => {
                    return Err(RecvTimeoutError::Timeout);
                }
                Err(TryRecvError::Empty) => {}
            }
            self.with(|state| state.receiver_waits = true);
            // A sender that hands over from hand to hand may have waited for this.
            self.senders.wake_all();
            wake = self.receiver.enter_and_wait(Event::Message, at, deadline);
            self.with(|state| state.receiver_waits = false);
        }
    }

    fn add_sender(&self) {
        self.with(|state| state.senders += 1);
    }

    fn drop_sender(&self) {
        sim::point_in_drop();
        self.with(|state| state.senders -= 1);
        self.receiver.wake_all();
    }
}

#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Channel::new(None);
    (Sender { channel: Arc::clone(&channel) }, Receiver { channel, not_sync: PhantomData })
}

#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let channel = Channel::new(Some(bound));
    (SyncSender { channel: Arc::clone(&channel) }, Receiver { channel, not_sync: PhantomData })
}

pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

pub struct SyncSender<T> {
    channel: Arc<Channel<T>>,
}

pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    not_sync: PhantomData<Cell<()>>,
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    #[track_caller]
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.channel.send(t)
    }
}

impl<T> SyncSender<T> {
    #[track_caller]
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.channel.send(t)
    }

    #[track_caller]
    pub fn try_send(&self, t: T) -> Result<(), TrySendError<T>> {
        sim::point(Location::caller());
        self.channel.try_send(t, false).map(|_| ())
    }
}

impl<T> Receiver<T> {
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.channel.recv(None).map_err(|_| RecvError)
    }

    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        sim::point(Location::caller());
        self.channel.try_recv()
    }

    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.channel.recv(sim::deadline_in(timeout))
    }

    pub fn iter(&self) -> Iter<'_, T> {
        Iter { rx: self }
    }

    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { rx: self }
    }
}

macro_rules! sender {
    ($sender:ident) => {
        impl<T> Clone for $sender<T> {
            fn clone(&self) -> Self {
                self.channel.add_sender();
                Self { channel: Arc::clone(&self.channel) }
            }
        }

        impl<T> Drop for $sender<T> {
            fn drop(&mut self) {
                self.channel.drop_sender();
            }
        }

        impl<T> fmt::Debug for $sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($sender)).finish_non_exhaustive()
            }
        }
    };
}

sender!(Sender);
sender!(SyncSender);

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        sim::point_in_drop();
        let unread = self.channel.with(|state| {
            state.receiver_lives = false;
            // What is handed over from hand to hand goes back to who sends it.
            let kept = state.room == Some(0);
            if kept { VecDeque::new() } else { mem::take(&mut state.messages) }
        });
        self.channel.senders.wake_all();
        drop(unread);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Iter<'a, T: 'a> {
    rx: &'a Receiver<T>,
}

#[derive(Debug)]
pub struct TryIter<'a, T: 'a> {
    rx: &'a Receiver<T>,
}

#[derive(Debug)]
pub struct IntoIter<T> {
    rx: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.rx.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}
impl<T> FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { rx: self }
    }
}
