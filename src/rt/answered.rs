use std::{
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// Does each of `work` on a thread of its own, which may wait for ever: the first of them that has
/// not answered when `longest` is over, if one has not.
pub fn first_silent<T: Send + Clone + 'static>(
    work: Vec<T>,
    longest: Duration,
    look: impl Fn(&T) + Send + 'static,
) -> Option<T> {
    let until = Instant::now() + longest;
    let (tell, told) = channel();
    let asked = work.clone();
    thread::spawn(move || {
        for it in asked {
            look(&it);
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    work.into_iter().find(|_| !answers(&told, until))
}

fn answers(told: &Receiver<()>, until: Instant) -> bool {
    told.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_named() {
        let (_open, never) = channel::<()>();
        let never = std::sync::Mutex::new(never);
        let look = move |it: &u32| {
            if *it == 2 {
                let _ = never.lock().map(|never| never.recv());
            }
        };
        assert_eq!(first_silent(vec![1, 2, 3], Duration::from_millis(50), look), Some(2));
        assert_eq!(first_silent(vec![1, 3], Duration::from_secs(60), |_| ()), None);
    }
}
