//! The terminal, taken and given back: on a normal end, on an error, on a panic and on the signals that end a program.

use crossterm::{
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::{Terminal, backend::CrosstermBackend};
use std::{
    io::{self, Stdout, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether there is something to give back. A panic in any thread gives it back, and once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode on its alternate screen, as long as this lives.
pub struct Guard {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Guard {
    pub fn take() -> io::Result<Guard> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // First the screen, then the message: the other way round it would be wiped away.
            give_back();
            before(panic);
        }));
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let guard = execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        guard.map(|terminal| Guard { terminal }).inspect_err(|_| give_back())
    }

    /// Takes away what a terminal has written that did not know a question. Before the first picture only.
    pub fn wipe(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))
    }

    pub fn mouse(&mut self, used: bool) -> io::Result<()> {
        if used { execute!(stdout(), EnableMouseCapture) } else { execute!(stdout(), DisableMouseCapture) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Errors are of no use here: the terminal may be gone, which is one of the reasons to come here.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
