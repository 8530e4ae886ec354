//! Channels of all three kinds.

use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::{fails, passes, reaches};

#[test]
fn messages_arrive_in_their_senders_order() {
    passes(|| {
        let (sender, receiver) = mpsc::channel();
        for from in 0..2 {
            let sender = sender.clone();
            thread::spawn(move || (0..3).for_each(|number| sender.send((from, number)).unwrap()));
        }
        drop(sender);
        let got: Vec<_> = receiver.iter().collect();
        for from in 0..2 {
            let of_one: Vec<_> = got.iter().filter(|(f, _)| *f == from).map(|(_, n)| *n).collect();
            assert_eq!(of_one, [0, 1, 2]);
        }
        assert_eq!(receiver.recv(), Err(mpsc::RecvError));
    });
}

#[test]
fn a_semaphore_of_a_channel_works() {
    passes(|| {
        let (free, taken) = mpsc::sync_channel(2);
        for number in 0..2 {
            free.send(number).unwrap();
        }
        let taken = std::sync::Mutex::new(taken);
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let got = taken.lock().unwrap().recv_timeout(Duration::from_secs(30)).unwrap();
                    thread::sleep(Duration::from_millis(5));
                    free.try_send(got).unwrap();
                });
            }
        });
        assert_eq!(start.elapsed(), Duration::from_millis(10));
    });
}

#[test]
fn receiving_times_out_on_time() {
    passes(|| {
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        let wait = receiver.recv_timeout(Duration::from_millis(50));
        assert_eq!(wait, Err(RecvTimeoutError::Timeout));
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(7).unwrap();
        });
        assert_eq!(receiver.recv_timeout(Duration::from_millis(30)), Ok(7));
        assert_eq!(start.elapsed(), Duration::from_millis(70));
        let wait = receiver.recv_timeout(Duration::from_millis(30));
        assert_eq!(wait, Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_bounded_channel_makes_senders_wait() {
    passes(|| {
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.send(1).unwrap();
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        let thread = thread::spawn(move || {
            let start = Instant::now();
            sender.send(2).unwrap();
            assert_eq!(start.elapsed(), Duration::from_millis(5));
        });
        thread::sleep(Duration::from_millis(5));
        assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn a_channel_without_room_hands_over() {
    passes(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            let got = receiver.recv();
            thread::sleep(Duration::from_millis(5));
            (got, receiver)
        });
        let start = Instant::now();
        sender.send(2).unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(5));
        let lost = thread::spawn(move || sender.send(3));
        let (got, receiver) = thread.join().unwrap();
        assert_eq!(got, Ok(2));
        drop(receiver);
        assert_eq!(lost.join().unwrap(), Err(mpsc::SendError(3)));
    });
}

#[test]
fn a_receiver_that_waits_is_handed_what_is_tried() {
    passes(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        let thread = thread::spawn(move || receiver.recv());
        thread::sleep(Duration::from_millis(1));
        sender.try_send(1).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(1));
    });
}

#[test]
fn an_end_that_is_gone_is_noticed() {
    passes(|| {
        let (sender, receiver) = mpsc::channel();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        sender.send(1).unwrap();
        drop(sender);
        assert_eq!(receiver.try_iter().collect::<Vec<i32>>(), [1]);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.send(1).unwrap();
        let thread = thread::spawn(move || sender.send(2));
        drop(receiver);
        assert_eq!(thread.join().unwrap(), Err(mpsc::SendError(2)));
    });
}

#[test]
fn two_senders_race() {
    reaches(|seen| {
        let (sender, receiver) = mpsc::channel();
        for name in ["a", "b"] {
            let sender = sender.clone();
            thread::spawn(move || sender.send(name));
        }
        seen(receiver.recv().unwrap());
    })
    .exactly(&["a", "b"]);
}

#[test]
fn a_receiver_whose_senders_never_send_is_stuck() {
    let message = fails(1, || {
        let (sender, receiver) = mpsc::channel::<()>();
        let _ = receiver.recv();
        drop(sender);
    });
    assert!(
        message.contains("main waits since 0 ms for a message in a channel, without a time-out")
    );
}

#[test]
fn the_ends_are_send_and_sync_as_in_std() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<mpsc::Sender<u8>>();
    sync::<mpsc::Sender<u8>>();
    sync::<mpsc::SyncSender<u8>>();
    send::<mpsc::Receiver<u8>>();
}
