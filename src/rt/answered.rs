use std::{sync::mpsc::channel, thread, time::Duration};

/// Does one of `work` after the other on a thread of its own, which may wait for ever: the first of
/// them that has taken `longest` and not answered, if there is one. Where no thread can be started
/// nobody is asked.
pub fn first_silent<T: Send + Clone + 'static>(
    work: Vec<T>,
    longest: Duration,
    look: impl Fn(&T) + Send + 'static,
) -> Option<T> {
    let (tell, told) = channel();
    let asked = work.clone();
    let asking = thread::Builder::new().spawn(move || {
        for it in asked {
            look(&it);
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    if asking.is_err() {
        return None;
    }
    work.into_iter().find(|_| told.recv_timeout(longest).is_err())
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

    #[test]
    fn what_answers_slowly_is_not_silent_however_much_of_it_there_is() {
        let look = |_: &u32| thread::sleep(Duration::from_millis(50));
        assert_eq!(first_silent((0..30).collect(), Duration::from_secs(1), look), None);
    }
}
