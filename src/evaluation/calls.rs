//! Calls with the answers that should have been on the screen, and what was.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PackError;
use super::pack::json_lines;

/// A transcript with what should be recommended in it; one line of JSON.
#[derive(Clone, Debug, Deserialize)]
pub struct JudgedCall {
    /// Names the call.
    pub id: String,
    /// In order.
    pub turns: Vec<Turn>,
    /// Turns after which an answer should be on the screen.
    pub expect: Vec<Expected>,
    /// Nothing should be recommended before this turn, counted from 0.
    #[serde(default)]
    pub quiet_until: usize,
}

/// What was said.
#[derive(Clone, Debug, Deserialize)]
pub struct Turn {
    /// `caller` or `agent`.
    pub speaker: String,
    /// What was said.
    pub text: String,
}

/// An answer that should be on the screen.
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    /// Counted from 0.
    pub after_turn: usize,
    /// Name of the file that answers.
    pub file: String,
}

/// The screen after one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Files of the answers, first one first.
    pub files: Vec<String>,
    /// Whether the turn changed the answers.
    pub is_changed: bool,
    /// Whether the turn changed what to say besides them (话术).
    pub has_new_script: bool,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallMeasures {
    /// Marked turns.
    pub n_marks: usize,
    /// Marked turns with the right answer first.
    #[serde(rename = "hits@1")]
    pub n_hits_at_1: usize,
    /// Marked turns with the right answer among the first three.
    #[serde(rename = "hits@3")]
    pub n_hits_at_3: usize,
    /// Turns from the mark until the right answer was among the first three, by mark; `null` if it
    /// never was.
    pub delays: Vec<Option<usize>>,
    /// Turns in which nothing should be recommended.
    pub n_quiet_turns: usize,
    /// Those in which something was.
    pub n_false_alarms: usize,
    /// Changes of the first answer beyond those that the marks ask for.
    pub n_flickers: usize,
    /// Turns that brought up scripts, quiet ones too: what to say when one cannot hear the caller is no
    /// answer, and none is asked for.
    pub n_scripts: usize,
}

/// Reads calls, a line of JSON each.
///
/// # Errors
/// [`PackError`] that names file and line.
pub fn read_calls(path: &Path) -> Result<Vec<JudgedCall>, PackError> {
    json_lines(path)
}

impl CallMeasures {
    /// Compares what was on the screen after every turn with what should have been.
    pub fn of(call: &JudgedCall, screens: &[Screen]) -> Self {
        let mut measures = Self {
            n_marks: call.expect.len(),
            n_quiet_turns: call.quiet_until.min(screens.len()),
            ..Self::default()
        };
        let has = |screen: &Screen, file: &str, n: usize| {
            screen.files.iter().take(n).any(|shown| shown == file)
        };
        for expected in &call.expect {
            let since = screens.get(expected.after_turn..).unwrap_or_default();
            if let Some(screen) = since.first() {
                measures.n_hits_at_1 += usize::from(has(screen, &expected.file, 1));
                measures.n_hits_at_3 += usize::from(has(screen, &expected.file, 3));
            }
            let delay = since
                .iter()
                .position(|screen| has(screen, &expected.file, 3));
            measures.delays.push(delay);
        }
        let quiet = &screens[..measures.n_quiet_turns];
        measures.n_false_alarms = quiet.iter().filter(|screen| screen.is_changed).count();
        measures.n_scripts = screens
            .iter()
            .filter(|screen| screen.has_new_script)
            .count();
        let firsts: Vec<&String> = screens
            .iter()
            .filter_map(|screen| screen.files.first())
            .collect();
        let n_changes = firsts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let n_topics = call
            .expect
            .windows(2)
            .filter(|pair| pair[0].file != pair[1].file)
            .count();
        measures.n_flickers = n_changes.saturating_sub(n_topics);
        measures
    }

    /// The sum over calls.
    pub fn sum<'m>(all: impl IntoIterator<Item = &'m Self>) -> Self {
        let mut sum = Self::default();
        for measures in all {
            sum.n_marks += measures.n_marks;
            sum.n_hits_at_1 += measures.n_hits_at_1;
            sum.n_hits_at_3 += measures.n_hits_at_3;
            sum.delays.extend(&measures.delays);
            sum.n_quiet_turns += measures.n_quiet_turns;
            sum.n_false_alarms += measures.n_false_alarms;
            sum.n_flickers += measures.n_flickers;
            sum.n_scripts += measures.n_scripts;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let call: JudgedCall = serde_json::from_str(
            r#"{"id":"c","turns":[],"quiet_until":2,
                "expect":[{"after_turn":2,"file":"a"},{"after_turn":4,"file":"b"},{"after_turn":9,"file":"b"}]}"#,
        )
        .unwrap();
        let screen = |files: &str, is_changed| Screen {
            files: files.chars().map(String::from).collect(),
            is_changed,
            has_new_script: false,
        };
        let measured = CallMeasures::of(
            &call,
            &[
                screen("", false),
                screen("x", true),
                screen("xa", true),
                screen("a", true),
                screen("xyzb", true),
                screen("b", true),
            ],
        );
        assert_eq!(
            (measured.n_marks, measured.n_hits_at_1, measured.n_hits_at_3),
            (3, 0, 1)
        );
        assert_eq!(measured.delays, [Some(0), Some(1), None]);
        assert_eq!((measured.n_quiet_turns, measured.n_false_alarms), (2, 1));
        // x → a → x → b, of which one change is asked for.
        assert_eq!(measured.n_flickers, 2);
        assert_eq!(CallMeasures::sum([&measured, &measured]).n_marks, 6);
    }
}
