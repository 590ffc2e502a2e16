//! The terminal that a person sits at: how wide it is, and what is typed into it unseen.

use std::{
    fs::File,
    io::{self, Read, Write, stdin},
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
const KILL_LINE: u8 = 21;

/// Columns of the terminal behind this descriptor; `None` if it is none.
pub fn width(of: impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(of)?;
    (width.0 > 0).then_some(width.0.into())
}

/// Asks for a secret on the terminal that standard input is. Nothing that is typed is shown, and
/// the terminal is left as it was. A line of any length can be pasted.
///
/// # Errors
/// `Interrupted` for the interrupt key; `UnexpectedEof` if nothing was typed.
pub fn ask_unseen(prompt: &str, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let terminal = File::from(stdin().as_fd().try_clone_to_owned()?);
    let before = tcgetattr(&terminal)?;
    let mut unseen = before.clone();
    unseen.local_flags -= LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
    let restored = Restored { terminal: terminal.as_fd(), before };
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &unseen)?;
    let mut to = io::stderr();
    write!(to, "{prompt}")?;
    to.flush()?;
    let line = read_line(&terminal, limit);
    drop(restored);
    writeln!(to)?;
    line
}

struct Restored<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(self.terminal, SetArg::TCSANOW, &self.before);
    }
}

fn read_line(mut terminal: &File, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(limit));
    loop {
        let mut byte = [0];
        let ended = terminal.read(&mut byte)? == 0;
        match byte[0] {
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            END | b'\r' | b'\n' if line.is_empty() => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            END | b'\r' | b'\n' => return Ok(line),
            _ if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
            it if BACKSPACE.contains(&it) => drop(line.pop()),
            KILL_LINE => line.clear(),
            _ if line.len() == limit => return Err(io::ErrorKind::FileTooLarge.into()),
            it => line.push(it),
        }
    }
}
