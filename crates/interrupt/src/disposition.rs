//! What a signal does in this process: read, set, set back. The calls of libc behind safe functions.

#![expect(unsafe_code, reason = "no crate offers these calls without it")]

use std::{
    ffi::{c_int, c_void},
    io, mem, ptr,
};

/// A handler that is called with the signal, its details and the interrupted context (`SA_SIGINFO`).
pub(crate) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// What a signal does.
#[derive(Clone, Copy)]
pub(crate) struct Disposition(libc::sigaction);

impl Disposition {
    /// Returns what a signal does now. Safe in a signal handler.
    pub(crate) fn of(signal: c_int) -> io::Result<Self> {
        // SAFETY: all zeros are a valid `sigaction`, of plain integers and null pointers.
        let mut seen: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: both pointers are null or valid for the call.
        match unsafe { libc::sigaction(signal, ptr::null(), &raw mut seen) } {
            0 => Ok(Self(seen)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// A handler that interrupts no system call for good and runs on the alternative stack where the thread has one.
    ///
    /// The handler may call only what signal-safety(7) lists.
    pub(crate) fn handler(handler: Handler) -> Self {
        // SAFETY: all zeros are a valid `sigaction`, of plain integers and null pointers. Its mask is then empty.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        Self(action)
    }

    /// What the system does where nobody has said anything.
    fn default() -> Self {
        // SAFETY: all zeros are a valid `sigaction`, of plain integers and null pointers.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = libc::SIG_DFL;
        Self(action)
    }

    /// Lets a signal do this from now on. Safe in a signal handler.
    pub(crate) fn set(&self, signal: c_int) -> io::Result<()> {
        // SAFETY: both pointers are null or valid for the call. A handler in it is either that of this crate, which keeps to
        // signal-safety(7), or was set in this process before.
        match unsafe { libc::sigaction(signal, &raw const self.0, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0.sa_sigaction == libc::SIG_DFL
    }

    pub(crate) fn is_ignored(&self) -> bool {
        self.0.sa_sigaction == libc::SIG_IGN
    }

    pub(crate) fn is(&self, handler: Handler) -> bool {
        self.0.sa_sigaction == handler as *const () as usize
    }

    /// Returns the address of its handler, and whether that takes three arguments: for [`call`].
    pub(crate) fn address(&self) -> (usize, bool) {
        (self.0.sa_sigaction, self.0.sa_flags & libc::SA_SIGINFO != 0)
    }
}

/// Calls a handler of which [`Disposition::address`] has given the address, with the arguments of a handler that runs. `SIG_DFL` and `SIG_IGN`
/// are no handlers.
pub(crate) fn call(
    (address, has_details): (usize, bool),
    signal: c_int,
    details: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    if address == libc::SIG_DFL || address == libc::SIG_IGN {
        return;
    }
    if has_details {
        // SAFETY: the address is that of a handler that was set with `SA_SIGINFO`, which has this type.
        let handler: Handler = unsafe { mem::transmute(address) };
        handler(signal, details, context);
    } else {
        // SAFETY: the address is that of a handler that was set without `SA_SIGINFO`, which has this type.
        let handler: extern "C" fn(c_int) = unsafe { mem::transmute(address) };
        handler(signal);
    }
}

/// Ends the process by a signal, as if nobody had set a handler. Safe in a signal handler.
pub(crate) fn end_by(signal: c_int) -> ! {
    let _ = Disposition::default().set(signal);
    // SAFETY: all zeros are a valid `sigset_t`; the calls get valid pointers, and signal-safety(7) lists them.
    unsafe {
        let mut only: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut only);
        libc::sigaddset(&raw mut only, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const only, ptr::null_mut());
        libc::raise(signal);
        // Only the first process of a container survives that: the kernel ignores the signal for it.
        libc::_exit(128 + signal)
    }
}

/// Returns the number of this process. Safe in a signal handler, and right in a forked child.
pub(crate) fn process_id() -> c_int {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::getpid() }
}

/// Returns the number of this thread, which is not 0. Safe in a signal handler.
pub(crate) fn thread_id() -> usize {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::pthread_self() as usize }
}

/// Writes one byte to an open file. Safe in a signal handler. A write to a pipe with room leaves `errno` alone.
pub(crate) fn write_byte(file: c_int, byte: u8) {
    // SAFETY: the buffer is one byte and valid for the call. A file that is not open is an error that nothing depends on.
    unsafe { libc::write(file, (&raw const byte).cast(), 1) };
}
