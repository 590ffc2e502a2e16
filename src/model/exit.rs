/// Exit codes of the command line. 0 to 5 are ECE's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Success = 0,
    General = 1,
    CommandFailed = 2,
    BadArgument = 3,
    WrongUser = 4,
    TokenRefusedLocally = 10,
    Preflight = 11,
    Unreachable = 12,
    NotTrusted = 13,
    Refused = 14,
    NotConnectedInTime = 15,
}
