// SPDX-License-Identifier: GPL-2.0-only
//! One step: does its action, waits for its messages, and reports the result.
//!
//! The action runs in its own thread. If a driver never returns from `probe`, only that step fails,
//! and the report shows the stack of the hanging thread.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use linux_driver_vm::protocol::{LINE_END, Record, details};
use linux_driver_vm::text::clean;
use linux_driver_vm::{Errno, Step, Watch};

use crate::action::{self, Failure};
use crate::kmsg::Log;
use crate::world::World;
use crate::{quiet, sys};

/// The interval between checks of the log.
const LOOK: Duration = Duration::from_millis(5);
/// The interval between empty records during a wait. Each one makes the kernel print a message that
/// lacks its line end.
const MARK: Duration = Duration::from_millis(250);
/// The time after its deadline that an action has to give up by itself.
const GRACE: Duration = Duration::from_secs(1);

/// The number of messages that are shown with a step whose messages did not come.
const SHOWN: usize = 5;

/// Runs the step and writes its records. Returns whether it passed.
pub(crate) fn run(
    log: &mut Log,
    number: usize,
    step: &Step,
    world: &Arc<World>,
) -> io::Result<bool> {
    let begin = Record::Begin { step: number };
    log.say(&begin)?;
    log.skip_to(&begin, |message| world.see(message))?;
    world.step_begins();
    let start = Instant::now();
    let result = perform(
        log,
        step,
        world,
        start + Duration::from_secs(step.timeout_s),
    )?;
    // An action that hangs has left the console quiet.
    quiet::end();
    let ok = result.is_ok();
    let (Ok(detail) | Err(detail)) = result;
    for record in details(&clean(detail.trim().replace('\n', LINE_END).as_bytes())) {
        log.say(&record)?;
    }
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    log.say(&Record::End {
        step: number,
        ok,
        ms,
    })?;
    Ok(ok)
}

fn perform(
    log: &mut Log,
    step: &Step,
    world: &Arc<World>,
    deadline: Instant,
) -> io::Result<Result<String, String>> {
    let mut watch = match Watch::new(step) {
        Ok(watch) => watch,
        Err(why) => return Ok(Err(why)),
    };
    let (thread, ended) = start(step, world, deadline);
    let mut result = None;
    let mut marked = None;
    // The time limit for the messages, once the action has ended.
    let (mut messages, mut latest) = (Vec::new(), None);
    loop {
        if result.is_none() {
            result = match ended.recv_timeout(LOOK) {
                Ok(ended) => Some(judge(step.fails, ended)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Err("the thread of the action ended".to_owned()))
                }
            };
            if result.is_some() {
                let seconds = Duration::from_secs(step.message_seconds());
                latest = Some(deadline.min(Instant::now() + seconds));
            }
        } else {
            thread::sleep(LOOK);
        }
        // Mark at least once: a message on the `never` list may lack its line end too.
        let mark = marked
            .is_none_or(|marked: Instant| watch.missing().is_some() && marked.elapsed() >= MARK);
        if result.is_some() && mark {
            log.say(&Record::Mark {})?;
            marked = Some(Instant::now());
        }
        // Read the log after the action's end, so that all messages of the action are in it.
        while let Some(message) = log.message()? {
            world.see(&message);
            if let Err(why) = watch.see(&message) {
                return Ok(Err(why));
            }
            if messages.len() == SHOWN {
                messages.remove(0);
            }
            messages.push(message);
        }
        let now = Instant::now();
        match (&result, watch.missing()) {
            (Some(Ok(_)), Some(missing)) if latest.is_none_or(|latest| now >= latest) => {
                return Ok(Err(unmatched(&missing, step, &messages)));
            }
            (Some(Ok(_)), Some(_)) => {}
            (Some(_), _) => return Ok(result.unwrap_or_else(|| Ok(String::new()))),
            (None, _) if now >= deadline + GRACE => return Ok(Err(stuck(thread, step.timeout_s))),
            (None, _) => {}
        }
    }
}

/// Starts the action. Returns the number of its thread, and the channel for its result.
fn start(
    step: &Step,
    world: &Arc<World>,
    deadline: Instant,
) -> (Option<i32>, Receiver<action::Result>) {
    let (action, world) = (step.action.clone(), Arc::clone(world));
    let (started, number) = channel();
    let (done, ended) = channel();
    thread::spawn(move || {
        // If the receiver is gone, the result is not needed.
        let _ = started.send(sys::thread_id());
        let _ = done.send(action::perform(&action, &world, deadline));
    });
    (number.recv().ok(), ended)
}

/// Checks that the action ended as expected: with success, or with this very error.
fn judge(fails: Option<Errno>, ended: action::Result) -> Result<String, String> {
    match (fails, ended) {
        (None, Ok(detail)) => Ok(detail),
        (None, Err(failure)) => Err(failure.detail),
        (Some(wanted), Ok(_)) => Err(format!(
            "the action succeeded; it was expected to fail with {wanted}"
        )),
        (Some(wanted), Err(Failure { errno, detail })) if errno == Some(wanted) => Ok(detail),
        (Some(wanted), Err(failure)) => Err(format!(
            "{}; it was expected to fail with {wanted}",
            failure.detail
        )),
    }
}

/// Returns the message for a step whose messages did not come, with the last ones that did.
fn unmatched(missing: &str, step: &Step, last: &[String]) -> String {
    let limit = match step.message_seconds() {
        all if all >= step.timeout_s => format!("within {} s", step.timeout_s),
        part => format!("within {part} s after the end of the action"),
    };
    let found = if last.is_empty() {
        "nothing was logged".to_owned()
    } else {
        format!("logged: {}", last.join("\nlogged: "))
    };
    format!("no message matched {missing} {limit}\n{found}")
}

/// Returns the message for an action that does not return, with the kernel stack of its thread.
fn stuck(thread: Option<i32>, seconds: u64) -> String {
    let stack = thread
        .and_then(|number| fs::read_to_string(format!("/proc/self/task/{number}/stack")).ok());
    let place = stack
        .filter(|stack| !stack.trim().is_empty())
        .map(|stack| format!("; its kernel stack:\n{stack}"));
    format!(
        "the action did not return within {seconds} s{}",
        place.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use linux_driver_vm::Action;

    use super::*;

    fn failure(errno: Option<i32>) -> action::Result {
        Err(Failure {
            errno: errno.map(Errno),
            detail: "why".to_owned(),
        })
    }

    #[test]
    fn a_missing_message_is_shown_with_the_last_ones() {
        let messages = ["answer 8", "answer 9"].map(str::to_owned);
        let step = Step::new("a", Action::Rescan {});
        let text = unmatched("\"answer 10\"", &step, &messages);
        assert_eq!(
            text.lines().next().unwrap(),
            "no message matched \"answer 10\" within 10 s after the end of the action"
        );
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            ["logged: answer 8", "logged: answer 9"]
        );
        let text = unmatched("\"a\"", &Step::new("a", Action::Expect {}), &[]);
        assert_eq!(
            text,
            "no message matched \"a\" within 60 s\nnothing was logged"
        );
    }

    #[test]
    fn a_failure_passes_only_if_it_is_the_one() {
        let busy = Some(Errno(libc::EBUSY));
        assert_eq!(judge(None, Ok("x".to_owned())), Ok("x".to_owned()));
        assert_eq!(
            judge(None, failure(Some(libc::EBUSY))),
            Err("why".to_owned())
        );
        assert_eq!(
            judge(busy, failure(Some(libc::EBUSY))),
            Ok("why".to_owned())
        );
        for ended in [Ok(String::new()), failure(Some(libc::EIO)), failure(None)] {
            let text = judge(busy, ended).unwrap_err();
            assert!(
                text.contains("it was expected to fail with EBUSY"),
                "{text}"
            );
        }
    }
}
