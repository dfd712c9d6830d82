//! Locks that are held for an instant by nobody in particular.

use std::time::Duration;

/// Tries while a lock is held.
const TRIES: u32 = 30;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs `act` again for a moment while it finds a lock held (as `held` tells). A child that was forked and has not
/// begun its program yet holds the locks its parent gave up meanwhile; and a store that was dropped may still be
/// read by the query that is about to end.
pub(crate) fn while_held<R, E>(
    held: impl Fn(&E) -> bool,
    mut act: impl FnMut() -> Result<R, E>,
) -> Result<R, E> {
    for _ in 1..TRIES {
        match act() {
            Err(error) if held(&error) => pause(),
            done => return done,
        }
    }
    act()
}

#[expect(clippy::disallowed_methods, reason = "another process lives in real time")]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_again_while_held_and_no_longer() {
        let mut tries = 0;
        let got = while_held(
            |held| *held,
            || {
                tries += 1;
                if tries < 3 { Err(true) } else { Ok(tries) }
            },
        );
        assert_eq!(got, Ok(3));
        let mut tries = 0;
        assert_eq!(
            while_held(
                |held| *held,
                || -> Result<(), bool> {
                    tries += 1;
                    Err(true)
                }
            ),
            Err(true)
        );
        assert_eq!(tries, TRIES);
        let mut tries = 0;
        assert_eq!(
            while_held(
                |held| *held,
                || -> Result<(), bool> {
                    tries += 1;
                    Err(false)
                }
            ),
            Err(false)
        );
        assert_eq!(tries, 1);
    }
}
