//! Maps whose file may be cut while they are read.
//!
//! Reading beyond a file's end through a map is a signal (SIGBUS) that ends the process, and asking for the file's length before
//! each use leaves a moment in between. So the signal of an address in one of our maps puts zeros there, and the map remembers;
//! whoever computes with it learns of it when he asks for bytes again. Signals of other addresses go to whoever had them before.

use memmap2::Mmap;

/// A map that is watched while this lives. Where signals are not to be had, or there are too many maps, it is not.
#[derive(Debug)]
pub(crate) struct Watch(Option<&'static watched::Slot>);

impl Watch {
    /// Watches a map.
    pub(crate) fn new(map: &Mmap) -> Self {
        Self(watched::enter(map.as_ptr() as usize, map.len()))
    }

    /// Whether bytes were read that the file does not have any more, or could not be read.
    pub(crate) fn was_cut(&self) -> bool {
        self.0.is_some_and(watched::Slot::was_cut)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.leave();
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod watched {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    use libc::{c_int, c_void, sigaction, siginfo_t};

    /// Maps that can be watched at once: a split model of the largest size has some hundreds of files.
    const SLOTS: usize = 2048;

    /// A watched map; `start` is 0 where there is none.
    #[derive(Debug)]
    pub(super) struct Slot {
        start: AtomicUsize,
        end: AtomicUsize,
        cut: AtomicBool,
    }

    static ALL: [Slot; SLOTS] =
        [const { Slot { start: AtomicUsize::new(0), end: AtomicUsize::new(0), cut: AtomicBool::new(false) } }; SLOTS];

    /// Who had the signal before.
    static BEFORE: OnceLock<Option<sigaction>> = OnceLock::new();

    impl Slot {
        pub(super) fn was_cut(&self) -> bool {
            self.cut.load(SeqCst)
        }

        pub(super) fn leave(&self) {
            self.end.store(0, SeqCst);
            self.cut.store(false, SeqCst);
            self.start.store(0, SeqCst);
        }
    }

    pub(super) fn enter(start: usize, len: usize) -> Option<&'static Slot> {
        BEFORE.get_or_init(install).as_ref()?;
        let slot = ALL.iter().find(|slot| slot.start.compare_exchange(0, start, SeqCst, SeqCst).is_ok())?;
        slot.end.store(start + len, SeqCst);
        Some(slot)
    }

    fn install() -> Option<sigaction> {
        // SAFETY: zeros are a `sigaction` without flags; the handler has the form that SA_SIGINFO asks for.
        unsafe {
            let mut ours: sigaction = std::mem::zeroed();
            ours.sa_sigaction = on_signal as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut ours.sa_mask);
            let mut before: sigaction = std::mem::zeroed();
            (libc::sigaction(libc::SIGBUS, &ours, &mut before) == 0).then_some(before)
        }
    }

    /// Calls nothing that a signal may not call, and leaves `errno` as it was.
    extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the system gives an info for this signal.
        let at = unsafe { (*info).si_addr() } as usize;
        let slot = ALL.iter().find(|slot| (slot.start.load(SeqCst)..slot.end.load(SeqCst)).contains(&at));
        // SAFETY: the pages are of a map of ours that is being read, so that nobody unmaps them; from the one that could not be read
        // to the map's end they are replaced by zeros. What else is called is whoever had the signal before, as he asked for it.
        unsafe {
            let errno = *errno();
            match slot {
                Some(slot) if zeros(at, slot.end.load(SeqCst)) => slot.cut.store(true, SeqCst),
                _ => hand_on(signal, info, context),
            }
            *self::errno() = errno;
        }
    }

    unsafe fn zeros(at: usize, end: usize) -> bool {
        // SAFETY: as the caller says.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let from = at / page * page;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | libc::MAP_NORESERVE;
            libc::mmap(from as *mut c_void, end - from, libc::PROT_READ, flags, -1, 0) != libc::MAP_FAILED
        }
    }

    unsafe fn hand_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        let before = BEFORE.get().copied().flatten();
        // SAFETY: a handler is called in the form that its flags say.
        unsafe {
            match before {
                Some(before) if before.sa_sigaction > libc::SIG_IGN && before.sa_flags & libc::SA_SIGINFO != 0 => {
                    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                        std::mem::transmute(before.sa_sigaction);
                    handler(signal, info, context);
                }
                Some(before) if before.sa_sigaction > libc::SIG_IGN => {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(before.sa_sigaction);
                    handler(signal);
                }
                // As if there were no handler: what failed is tried again, and ends the process.
                _ => {
                    libc::signal(libc::SIGBUS, libc::SIG_DFL);
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    unsafe fn errno() -> *mut c_int {
        // SAFETY: it is there for every thread.
        unsafe { libc::__errno_location() }
    }

    #[cfg(target_os = "macos")]
    unsafe fn errno() -> *mut c_int {
        // SAFETY: it is there for every thread.
        unsafe { libc::__error() }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod watched {
    /// There is none.
    #[derive(Debug)]
    pub(super) enum Slot {}

    impl Slot {
        pub(super) fn was_cut(&self) -> bool {
            match *self {}
        }

        pub(super) fn leave(&self) {
            match *self {}
        }
    }

    pub(super) fn enter(_: usize, _: usize) -> Option<&'static Slot> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_read_behind_a_cut_is_zeros_and_remembered() {
        let path = std::env::temp_dir().join(format!("wick-cut-{}", std::process::id()));
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).expect("a folder");
        file.write_all(&vec![7; 100_000]).expect("room");
        // SAFETY: it is cut below, which is what is tested.
        let map = unsafe { Mmap::map(&file) }.expect("a map");
        let watch = Watch::new(&map);
        assert_eq!((map[99_999], watch.was_cut()), (7, false));
        file.set_len(5000).expect("it is ours");
        assert_eq!(map[4000], 7, "what is left is left");
        assert!(!watch.was_cut());
        // By several threads at once.
        std::thread::scope(|scope| {
            for n in 1..5 {
                let map = &map;
                scope.spawn(move || assert_eq!(map[20_000 * n], 0));
            }
        });
        assert!(watch.was_cut());
        drop((watch, map));
        std::fs::remove_file(path).expect("it is ours");
    }
}
