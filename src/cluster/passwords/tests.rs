use std::sync::mpsc;

use super::*;
use crate::cluster::records::UserRole;

fn user(password: &str) -> Arc<UserRecord> {
    Arc::new(UserRecord::new("admin", [UserRole::PlatformAdmin], hash(&Secret::new(password))))
}

fn source(last: u8) -> Source {
    Source::of([10, 0, 0, last].into())
}

async fn check(
    passwords: &Passwords,
    from: u8,
    user: Option<Arc<UserRecord>>,
    password: &str,
) -> Result<(), PasswordError> {
    let password = Secret::new(password);
    passwords.check(source(from), "admin", user, &password).await.map(|_| ())
}

/// Passwords, one at a time, of which those that begin with `slow` take until the sender is used
/// or gone; what is checked is told.
fn with_slow_ones() -> (Passwords, mpsc::Sender<()>, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (go_on, wait) = mpsc::channel();
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let wait = Mutex::new(wait);
    let verify = move |password: &Secret, _: &str| {
        tell.send(password.expose().to_owned()).expect("heard");
        if password.expose().starts_with("slow") {
            let _ = wait.lock().expect("no panic").recv();
        }
        password.expose() == "right"
    };
    (Passwords::with(1, Box::new(verify)), go_on, told)
}

#[tokio::test]
async fn only_the_right_password_of_a_known_user_is_accepted() {
    let passwords = Passwords::default();
    let admin = user("right");
    for _ in 0..2 {
        assert!(check(&passwords, 1, Some(admin.clone()), "right").await.is_ok());
    }
    let wrong = Err(PasswordError::Wrong);
    assert_eq!(check(&passwords, 1, Some(admin), "wrong").await, wrong);
    assert_eq!(check(&passwords, 1, None, "right").await, wrong);
}

#[tokio::test]
async fn a_right_password_is_remembered_there_and_a_changed_one_is_not() {
    let passwords = Passwords::default();
    let (old, new) = (user("old"), user("new"));
    let password = Secret::new("old");
    assert!(!passwords.remembers(source(1), &old, &password));
    assert!(check(&passwords, 1, Some(old.clone()), "old").await.is_ok());
    assert!(passwords.remembers(source(1), &old, &password));
    assert!(!passwords.remembers(source(2), &old, &password));
    assert!(!passwords.remembers(source(1), &new, &password));
    assert_eq!(check(&passwords, 1, Some(new), "old").await, Err(PasswordError::Wrong));
}

#[tokio::test]
async fn a_check_whose_client_has_gone_away_holds_its_slot_until_it_is_done() {
    let (passwords, go_on, mut told) = with_slow_ones();
    let passwords = Arc::new(passwords);
    let (slow, admin) = (passwords.clone(), user("right"));
    let known = admin.clone();
    let client = tokio::spawn(async move { check(&slow, 1, Some(known), "slow").await });
    assert_eq!(told.recv().await.as_deref(), Some("slow"));
    client.abort();
    assert!(client.await.is_err());

    // One that leaves before its turn is not checked at all.
    let early = passwords.clone();
    let known = admin.clone();
    let client = tokio::spawn(async move { check(&early, 2, Some(known), "early").await });
    until(&passwords, |checks| checks == 2).await;
    client.abort();
    until(&passwords, |checks| checks < 2).await;

    let mut next = std::pin::pin!(check(&passwords, 2, Some(admin), "right"));
    for _ in 0..100 {
        assert!(polled(next.as_mut()).await.is_none());
        tokio::task::yield_now().await;
    }
    assert!(told.try_recv().is_err(), "the slot is taken");
    go_on.send(()).expect("heard");
    assert!(next.await.is_ok());
    assert_eq!(told.recv().await.as_deref(), Some("right"));
}

/// What a future has come to, without waiting for it.
async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn the_same_attempt_many_times_at_once_is_checked_once() {
    let (passwords, go_on, mut told) = with_slow_ones();
    let admin = user("right");
    let passwords = Arc::new(passwords);
    let first = passwords.clone();
    let slow = tokio::spawn(async move { check(&first, 9, None, "slow").await });
    assert_eq!(told.recv().await.as_deref(), Some("slow"));
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let (passwords, admin) = (passwords.clone(), admin.clone());
            tokio::spawn(async move { check(&passwords, 1, Some(admin), "right").await })
        })
        .collect();
    until(&passwords, |checks| checks == 2).await;
    go_on.send(()).expect("heard");
    for client in clients {
        assert_eq!(client.await.expect("an answer"), Ok(()));
    }
    assert_eq!(slow.await.expect("an answer"), Err(PasswordError::Wrong));
    assert_eq!(told.recv().await.as_deref(), Some("right"));
    assert!(told.try_recv().is_err());
    assert!(passwords.0.lock().is_empty());
}

#[tokio::test]
async fn a_new_password_is_hashed_when_it_is_its_turn() {
    let (passwords, go_on, mut told) = with_slow_ones();
    let passwords = Arc::new(passwords);
    let first = passwords.clone();
    let slow = tokio::spawn(async move { check(&first, 9, None, "slow").await });
    assert_eq!(told.recv().await.as_deref(), Some("slow"));
    let new = Secret::new("new");
    let party = Party::Known("user admin".into());
    let mut hashing = std::pin::pin!(passwords.hash(party, &new));
    for _ in 0..100 {
        assert!(polled(hashing.as_mut()).await.is_none());
        tokio::task::yield_now().await;
    }
    go_on.send(()).expect("heard");
    let hash = hashing.await.expect("a hash");
    assert!(verifies(&new, &hash));
    assert!(slow.await.is_ok());
}

/// Waits until so many checks are under way.
async fn until(passwords: &Passwords, reached: impl Fn(usize) -> bool) {
    let reaching = async {
        while !reached(passwords.0.lock().len()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), reaching).await.expect("reached");
}
