//! The handler, and the state that it shares with [`Watch`](crate::Watch): numbers that are read and written as a whole.

use std::{
    ffi::{c_int, c_void},
    io,
    sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst},
    thread,
};

use crate::{
    Interrupt,
    disposition::{Disposition, call, end_by, process_id, thread_id, write_byte},
};

/// The signals that are watched.
pub(crate) const SIGNALS: [c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// What the handler writes to the pipe for the first signal.
pub(crate) const ARRIVED: u8 = 1;

/// Set while there is a watch.
static IS_ACTIVE: AtomicBool = AtomicBool::new(false);
/// The process that watches. A child that it forks inherits the handlers, and has nothing to remove.
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// The pipe to the thread that reacts. It is never closed, so that the handler writes to no other file.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The first signal that arrived; 0 before.
static FIRST: AtomicI32 = AtomicI32::new(0);
/// The handlers that were there before, one for each signal.
static BEFORE: [Known; SIGNALS.len()] = [const { Known::nothing() }; SIGNALS.len()];
/// Handlers that came later, stayed when the watch ended, and call the handler of this crate: it is above them now, and below.
static BETWEEN: [Known; SIGNALS.len()] = [const { Known::nothing() }; SIGNALS.len()];
/// The thread on which such a handler runs; 0 for none. A thread cannot get the same signal meanwhile, and another thread can.
static BELOW: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];
/// Handlers that read [`IS_ACTIVE`] and have not yet done what follows from it.
static DECIDING: AtomicUsize = AtomicUsize::new(0);
/// Set where a handler that came later has stayed.
static IS_KEPT: [AtomicBool; SIGNALS.len()] = [const { AtomicBool::new(false) }; SIGNALS.len()];

/// The address of a handler, by its type; `SIG_DFL` in the place of the other type. A single number for each: whoever reads while another
/// thread writes gets an older handler or none, and never one with the type of another.
struct Known {
    plain: AtomicUsize,
    detailed: AtomicUsize,
}

impl Known {
    const fn nothing() -> Self {
        Self { plain: AtomicUsize::new(libc::SIG_DFL), detailed: AtomicUsize::new(libc::SIG_DFL) }
    }

    /// Returns the address, and whether the handler takes three arguments.
    fn get(&self) -> (usize, bool) {
        match self.detailed.load(SeqCst) {
            libc::SIG_DFL => (self.plain.load(SeqCst), false),
            address => (address, true),
        }
    }

    fn set(&self, (address, has_details): (usize, bool)) {
        let (set, unset) =
            if has_details { (&self.detailed, &self.plain) } else { (&self.plain, &self.detailed) };
        set.store(address, SeqCst);
        unset.store(libc::SIG_DFL, SeqCst);
    }
}

pub(crate) fn first() -> Option<Interrupt> {
    match FIRST.load(SeqCst) {
        libc::SIGINT => Some(Interrupt::Interrupted),
        libc::SIGTERM => Some(Interrupt::Terminated),
        _ => None,
    }
}

/// Ends the process by the signal that arrived first.
pub(crate) fn end(interrupt: Interrupt) -> ! {
    end_by(match interrupt {
        Interrupt::Interrupted => libc::SIGINT,
        Interrupt::Terminated => libc::SIGTERM,
    })
}

/// Sets the handler for every signal that is not ignored. Returns what was there before.
pub(crate) fn install(pipe: c_int) -> io::Result<[Disposition; SIGNALS.len()]> {
    let before = [Disposition::of(SIGNALS[0])?, Disposition::of(SIGNALS[1])?];
    for (place, before) in before.iter().enumerate() {
        let known = if IS_KEPT[place].load(SeqCst) { &BETWEEN[place] } else { &BEFORE[place] };
        if !before.is(on_signal) {
            known.set(before.address());
        }
    }
    PIPE.store(pipe, SeqCst);
    if PROCESS.swap(process_id(), SeqCst) != process_id() {
        // In a forked child the handlers of its parent do not go on.
        DECIDING.store(0, SeqCst);
    }
    IS_ACTIVE.store(true, SeqCst);
    for (signal, before) in SIGNALS.into_iter().zip(&before) {
        if !before.is_ignored() {
            Disposition::handler(on_signal).set(signal)?;
        }
    }
    Ok(before)
}

/// Sets back what was there before, unless somebody has set something since: that may call the handler of this crate, which then does nothing
/// of its own.
pub(crate) fn uninstall(before: &[Disposition; SIGNALS.len()]) {
    for (place, signal) in SIGNALS.into_iter().enumerate() {
        match Disposition::of(signal) {
            // It fails for a number that is no signal, and for nothing else.
            Ok(now) if now.is(on_signal) => {
                drop(before[place].set(signal));
                // It is above again, and calls the handler of this crate, not the other way round.
                BETWEEN[place].set((libc::SIG_DFL, false));
            }
            Ok(_) if before[place].is_ignored() => {}
            _ => IS_KEPT[place].store(true, SeqCst),
        }
    }
    IS_ACTIVE.store(false, SeqCst);
    // A signal that was taken for the watch belongs to it: the caller has to see it.
    while DECIDING.load(SeqCst) > 0 {
        thread::yield_now();
    }
}

/// Calls nothing but what signal-safety(7) lists: atomics, `getpid`, `pthread_self`, `sigaction`, `write`, `raise`.
extern "C" fn on_signal(signal: c_int, details: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(place) = SIGNALS.iter().position(|known| *known == signal) else { return };
    if BELOW[place].load(SeqCst) == thread_id() {
        return call(BEFORE[place].get(), signal, details, context);
    }
    let is_here = PROCESS.load(SeqCst) == process_id();
    DECIDING.fetch_add(1, SeqCst);
    let is_active = is_here && IS_ACTIVE.load(SeqCst);
    if is_active {
        if FIRST.compare_exchange(0, signal, SeqCst, SeqCst).is_err() {
            end_by(signal);
        }
        write_byte(PIPE.load(SeqCst), ARRIVED);
    }
    DECIDING.fetch_sub(1, SeqCst);
    let between = BETWEEN[place].get();
    if between.0 == libc::SIG_DFL {
        call(BEFORE[place].get(), signal, details, context);
    } else {
        BELOW[place].store(thread_id(), SeqCst);
        call(between, signal, details, context);
        BELOW[place].store(0, SeqCst);
    }
    // In a forked child, or on the way out: the signal does what it did before. A handler that came later and calls this one decides itself.
    let is_last = || Disposition::of(signal).is_ok_and(|now| now.is(on_signal) || now.is_default());
    let had_none = BEFORE[place].get().0 == libc::SIG_DFL && between.0 == libc::SIG_DFL;
    if !is_active && had_none && is_last() {
        end_by(signal);
    }
}
