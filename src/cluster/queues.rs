use tokio::sync::Mutex;

/// Where those wait for their turn who would otherwise lose the race for a record again and again.
/// What must not happen twice is held by the commit, not by these: another coordinator has its own.
#[derive(Default)]
pub struct Queues {
    pub documents: Mutex<()>,
    pub api_keys: Mutex<()>,
    pub users: Mutex<()>,
    pub web_sessions: Mutex<()>,
}
