//! Chinese and Arabic numerals as documents write them: 三十九, 二〇二四, ３９, 39.

/// Reads the number at the start of `text`: digits (half or full width) or Chinese numerals.
///
/// Returns the value and how many bytes of `text` it took. Chinese numerals may be positional
/// (二〇二四) or with units (一百零三); up to 千. `None` if no number stands there or it exceeds
/// 99,999,999.
pub(crate) fn read_number(text: &str) -> Option<(u32, usize)> {
    read_digits(text).or_else(|| read_chinese(text))
}

fn read_digits(text: &str) -> Option<(u32, usize)> {
    let mut value = 0u32;
    let mut n_bytes = 0;
    for c in text.chars() {
        let Some(digit) = digit(c) else { break };
        value = value.checked_mul(10)?.checked_add(digit)?;
        n_bytes += c.len_utf8();
    }
    (n_bytes > 0 && value < 100_000_000).then_some((value, n_bytes))
}

fn digit(c: char) -> Option<u32> {
    match c {
        '0'..='9' => Some(c as u32 - '0' as u32),
        '０'..='９' => Some(c as u32 - '０' as u32),
        _ => None,
    }
}

fn read_chinese(text: &str) -> Option<(u32, usize)> {
    let run: String = text
        .chars()
        .take_while(|&c| is_numeral(c))
        .take(16)
        .collect();
    let value = chinese_value(&run)?;
    Some((value, run.len()))
}

fn is_numeral(c: char) -> bool {
    chinese_digit(c).is_some() || unit(c).is_some()
}

fn chinese_digit(c: char) -> Option<u32> {
    "〇一二三四五六七八九"
        .chars()
        .position(|d| d == c)
        .map(|p| p as u32)
        .or(match c {
            '零' | '○' | 'Ｏ' => Some(0),
            '两' | '兩' => Some(2),
            _ => None,
        })
}

fn unit(c: char) -> Option<u32> {
    match c {
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1000),
        _ => None,
    }
}

/// The value of a run of Chinese numerals, with units or positional.
fn chinese_value(run: &str) -> Option<u32> {
    if run.is_empty() {
        return None;
    }
    if run.chars().all(|c| unit(c).is_none()) {
        let positional = run.chars().filter_map(chinese_digit);
        return positional
            .take(8)
            .try_fold(0u32, |v, d| v.checked_mul(10)?.checked_add(d));
    }
    let mut total = 0u32;
    let mut pending: Option<u32> = None;
    for c in run.chars() {
        if let Some(unit) = unit(c) {
            total = total.checked_add(pending.take().unwrap_or(1) * unit)?;
        } else {
            pending = chinese_digit(c).filter(|&d| d > 0);
        }
    }
    total.checked_add(pending.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_of_writing_a_number() {
        let cases = [
            ("三十九条", 39, "三十九"),
            ("十条", 10, "十"),
            ("一百零三条", 103, "一百零三"),
            ("一千二百六十条", 1260, "一千二百六十"),
            ("二〇二四年", 2024, "二〇二四"),
            ("二○一九年", 2019, "二○一九"),
            ("39条", 39, "39"),
            ("３９条", 39, "３９"),
        ];
        for (text, value, taken) in cases {
            assert_eq!(read_number(text), Some((value, taken.len())), "{text}");
        }
        assert_eq!(read_number("条"), None);
        assert_eq!(read_number(""), None);
        assert_eq!(read_number("999999999999"), None);
    }
}
