//! Pieces of text with positions → lines and paragraphs of a page.
//!
//! A layout format knows where glyphs stand, not what belongs together. Lines are pieces with
//! one baseline, left to right; paragraphs are full lines that an unindented line follows.
//! Lengths are millimetres, y runs downwards.

/// What a piece of text inherits from its `TextObject`.
#[derive(Clone, Debug)]
pub struct TextObject {
    /// Left, top, width, height.
    boundary: [f64; 4],
    /// a b c d e f of the transformation.
    ctm: [f64; 6],
    size: f64,
    /// Where the last `TextCode` began, for one that does not say.
    last: (f64, f64),
}

impl Default for TextObject {
    fn default() -> Self {
        Self {
            boundary: [0.0; 4],
            ctm: [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            size: 3.5,
            last: (0.0, 0.0),
        }
    }
}

/// A run of text on one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// What it says.
    pub text: String,
    /// Left end.
    pub x0: f64,
    /// Right end.
    pub x1: f64,
    /// Baseline.
    pub y: f64,
    /// Height of a character.
    pub size: f64,
    /// Written upwards or downwards.
    pub rotated: bool,
}

/// The numbers in `text`, finite ones only.
fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .filter_map(|part| part.parse().ok())
        .filter(|number: &f64| number.is_finite())
        .collect()
}

impl TextObject {
    /// Reads the attributes of a `TextObject`; what is missing or damaged takes a usual value.
    pub fn new(boundary: &str, ctm: Option<&str>, size: Option<&str>) -> Self {
        let mut object = Self::default();
        if let Ok(boundary) = <[f64; 4]>::try_from(numbers(boundary)) {
            object.boundary = boundary;
        }
        if let Some(Ok(ctm)) = ctm.map(|ctm| <[f64; 6]>::try_from(numbers(ctm))) {
            object.ctm = ctm;
        }
        if let Some(size) = size.and_then(|size| numbers(size).first().copied()) {
            object.size = size;
        }
        object
    }

    /// One `TextCode` of the object; `None` if it is blank.
    pub fn fragment(
        &mut self,
        text: &str,
        x: Option<&str>,
        y: Option<&str>,
        deltas: &str,
    ) -> Option<Fragment> {
        let number = |text: Option<&str>| text.and_then(|text| numbers(text).first().copied());
        self.last = (
            number(x).unwrap_or(self.last.0),
            number(y).unwrap_or(self.last.1),
        );
        let text = text.trim_end();
        if text.trim().is_empty() {
            return None;
        }
        let ([left, top, _, height], [a, b, c, d, e, f]) = (self.boundary, self.ctm);
        let (x, y) = self.last;
        let rotated = b.abs() > a.abs();
        let scale = if rotated { b.abs() } else { a.abs() };
        let mut baseline = top + b * x + d * y + f;
        if baseline < top - height || baseline > top + 2.0 * height {
            baseline = top + height;
        }
        let x0 = if rotated {
            left
        } else {
            left + a * x + c * y + e
        };
        let x1 = if rotated {
            left + self.size * scale
        } else {
            x0 + self.advance(text, deltas) * scale
        };
        Some(Fragment {
            text: text.to_owned(),
            x0,
            x1,
            y: if rotated { top } else { baseline },
            size: (self.size * scale).abs().max(0.1),
            rotated,
        })
    }

    /// The width of `text` before transformation: the steps between its characters plus the last.
    fn advance(&self, text: &str, deltas: &str) -> f64 {
        let n_steps = text.chars().count().saturating_sub(1);
        let steps = expand_deltas(deltas, n_steps);
        if steps.is_empty() {
            let widths = text.chars().map(|c| {
                if c.is_ascii() {
                    self.size / 2.0
                } else {
                    self.size
                }
            });
            return widths.sum();
        }
        // The last step given holds for all that follow.
        let last = steps[steps.len() - 1];
        steps.iter().sum::<f64>()
            + (n_steps - steps.len()) as f64 * last
            + self.size.min(last.abs().max(self.size / 2.0))
    }
}

/// At most `n` steps; `g 3 1.5` stands for three steps of 1.5.
fn expand_deltas(deltas: &str, n: usize) -> Vec<f64> {
    let mut steps = Vec::new();
    let mut parts = deltas.split_whitespace();
    while let Some(part) = parts.next().filter(|_| steps.len() < n) {
        let (count, step) = match part {
            "g" => (
                parts
                    .next()
                    .and_then(|count| count.parse().ok())
                    .unwrap_or(0),
                parts.next().unwrap_or("0"),
            ),
            step => (1usize, step),
        };
        let step: f64 = step.parse().unwrap_or(0.0);
        steps.extend(std::iter::repeat_n(step, count.min(n - steps.len())));
    }
    steps
}

/// A line of a page.
#[derive(Clone, Debug)]
struct Line {
    text: String,
    x0: f64,
    x1: f64,
    y: f64,
    size: f64,
    /// Pieces stand apart: a row of a form, not a line of running text.
    spaced: bool,
}

/// The paragraphs of a page, from top to bottom.
///
/// Upright text first; text that is written up or down the page follows in the order of the file.
pub fn paragraphs(fragments: Vec<Fragment>) -> Vec<String> {
    let (rotated, upright): (Vec<_>, Vec<_>) =
        fragments.into_iter().partition(|fragment| fragment.rotated);
    let mut found = joined_lines(lines(upright));
    found.extend(runs(rotated));
    found
}

fn lines(mut fragments: Vec<Fragment>) -> Vec<Line> {
    fragments.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    let mut rows: Vec<Vec<Fragment>> = Vec::new();
    for fragment in fragments {
        match rows.last_mut() {
            Some(row) if (fragment.y - row[0].y).abs() < 0.4 * row[0].size.max(fragment.size) => {
                row.push(fragment)
            }
            _ => rows.push(vec![fragment]),
        }
    }
    rows.into_iter().map(line).collect()
}

/// Puts the pieces of one row side by side. Text drawn twice to look bold is taken once.
fn line(mut row: Vec<Fragment>) -> Line {
    row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    row.dedup_by(|b, a| a.text == b.text && (a.x0 - b.x0).abs() < 0.3 * a.size);
    let mut pieces = row.into_iter();
    // A row is begun with one piece.
    let first = pieces.next().expect("rows are not empty");
    let mut line = Line {
        text: first.text,
        x0: first.x0,
        x1: first.x1,
        y: first.y,
        size: first.size,
        spaced: false,
    };
    for piece in pieces {
        let gap = piece.x0 - line.x1;
        let latin = line.text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && piece.text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if gap > if latin { 0.3 * piece.size } else { piece.size } {
            line.text.push(' ');
            line.spaced |= gap > piece.size;
        }
        line.text.push_str(&piece.text);
        line.x1 = line.x1.max(piece.x1);
        line.size = line.size.max(piece.size);
    }
    line
}

/// Joins lines into paragraphs.
fn joined_lines(lines: Vec<Line>) -> Vec<String> {
    let left = lines
        .iter()
        .map(|line| line.x0)
        .fold(f64::INFINITY, f64::min);
    let right = lines
        .iter()
        .map(|line| line.x1)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut found: Vec<String> = Vec::new();
    let mut previous: Option<Line> = None;
    for line in lines {
        let runs_on = previous.as_ref().is_some_and(|previous| {
            line.x0 - left < line.size
                && right - previous.x1 < 2.5 * previous.size
                && (line.size - previous.size).abs() < 0.15 * previous.size
                && line.y - previous.y < 3.0 * previous.size
                && !(line.spaced || previous.spaced)
                && !previous.text.ends_with(['。', '！', '？'])
        });
        match found.last_mut() {
            Some(paragraph) if runs_on => append(paragraph, &line.text),
            _ => found.push(line.text.clone()),
        }
        previous = Some(line);
    }
    found
}

/// Chinese needs nothing between two lines, Latin words a space.
fn append(paragraph: &mut String, line: &str) {
    let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    if latin(paragraph.chars().next_back()) && latin(line.chars().next()) {
        paragraph.push(' ');
    }
    paragraph.push_str(line.trim_start());
}

/// Neighbouring pieces of rotated text as one text each.
fn runs(fragments: Vec<Fragment>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut previous: Option<(f64, f64, f64)> = None;
    for fragment in fragments {
        let adjoins = previous.is_some_and(|(x, y, size)| {
            (fragment.x0 - x).hypot(fragment.y - y) < 1.6 * size.max(fragment.size)
        });
        match found.last_mut() {
            Some(run) if adjoins => run.push_str(&fragment.text),
            _ => found.push(fragment.text.clone()),
        }
        previous = Some((fragment.x0, fragment.y, fragment.size));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str, x: f64, y: f64) -> Fragment {
        let width = 5.0 * text.chars().count() as f64;
        Fragment {
            text: text.to_owned(),
            x0: x,
            x1: x + width,
            y,
            size: 5.0,
            rotated: false,
        }
    }

    #[test]
    fn pieces_of_a_baseline_are_a_line_and_full_lines_run_on() {
        let pieces = vec![
            piece("办法", 20.0, 20.5),
            piece("云溪市救助", 15.0, 10.0),
            piece("第一条为了", 20.0, 20.0 + 10.0),
            piece("制定", 10.0, 40.0),
            piece("本", 10.0, 20.0),
            piece("另行。", 45.0, 20.1),
        ];
        assert_eq!(
            paragraphs(pieces),
            ["云溪市救助", "本办法 另行。", "第一条为了", "制定"]
        );
    }

    #[test]
    fn an_unindented_line_after_a_full_one_runs_on() {
        let pieces = vec![
            piece("为了救助困难群众制定", 20.0, 10.0),
            piece("本办法。", 10.0, 20.0),
            piece("第二条", 20.0, 30.0),
        ];
        assert_eq!(
            paragraphs(pieces),
            ["为了救助困难群众制定本办法。", "第二条"]
        );
    }

    #[test]
    fn deltas_are_expanded_within_bounds() {
        assert_eq!(expand_deltas("g 2 1.5 3", 5), [1.5, 1.5, 3.0]);
        assert_eq!(expand_deltas("g 999999999 1.5", 3), [1.5, 1.5, 1.5]);
    }

    #[test]
    fn damaged_attributes_take_usual_values() {
        let fragment = TextObject::new("x y", Some("1 0"), Some("NaN"))
            .fragment("字", None, Some("1"), "")
            .unwrap();
        assert_eq!((fragment.x0, fragment.size), (0.0, 3.5));
    }
}
