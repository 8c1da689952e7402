//! Runs a parser where it can do no harm.
//!
//! Parsers of PDF, office and HTML files panic, recurse deeply or never end on damaged input.
//! Each runs on a thread of its own, with a deep stack and a time limit. Memory is not bounded
//! here: the size limits on the input are.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::LoadError;

/// Stack of a parser's thread. Only pages that are touched take memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs `parse` and returns what it returned.
///
/// # Errors
/// [`LoadError::Unreadable`] if it panicked or did not end within `time_limit`. A parser that
/// did not end keeps its thread until it does; its result is dropped.
pub fn guarded<T, F>(time_limit: Duration, parse: F) -> Result<T, LoadError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, LoadError> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    let worker = thread::Builder::new()
        .name("corpus-loader".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // A receiver that gave up is no concern of the parser.
            let _ = sender.send(parse());
        })
        .map_err(|source| LoadError::Unreadable(format!("系统资源不足，暂时无法读取：{source}")))?;
    match receiver.recv_timeout(time_limit) {
        Ok(result) => {
            // The result is here; how the thread winds down no longer matters.
            let _ = worker.join();
            result
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(LoadError::Unreadable(
            "文件内容损坏，解析中断；请用原软件打开后另存一份".to_owned(),
        )),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(LoadError::Unreadable(format!(
            "解析超过 {} 秒仍未完成，已放弃；请拆分或另存后重试",
            time_limit.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_the_file() {
        let outcome: Result<(), _> = guarded(Duration::from_secs(60), || panic!("damaged"));
        assert!(matches!(outcome, Err(LoadError::Unreadable(_))));
    }

    #[test]
    fn a_parser_that_waits_for_ever_is_given_up() {
        let (_keep, never) = mpsc::channel::<()>();
        let outcome: Result<(), _> = guarded(Duration::from_millis(1), move || {
            let _ = never.recv();
            Ok(())
        });
        assert!(matches!(outcome, Err(LoadError::Unreadable(_))));
    }

    #[test]
    fn deep_recursion_has_room() {
        fn depth(n: u32) -> u32 {
            if n == 0 {
                0
            } else {
                1 + std::hint::black_box(depth(n - 1))
            }
        }
        assert_eq!(
            guarded(Duration::from_secs(60), || Ok(depth(100_000))),
            Ok(100_000)
        );
    }
}
