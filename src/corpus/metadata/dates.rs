//! Dates as Chinese documents write them.

use jiff::civil::Date;

use crate::corpus::passages::lines::is_blank;
use crate::corpus::passages::numerals::read_number;

/// The date at the start of `text` and how many bytes it took.
///
/// Reads 2024年1月1日, 二〇二四年一月一日, 2024-01-01, 2024/1/1, 2024.1.1 and 20240101, blanks
/// between the parts allowed. `None` if no day of the calendar stands there; a month without a
/// day is no date.
pub(crate) fn read_date(text: &str) -> Option<(Date, usize)> {
    read_compact(text).or_else(|| read_parted(text))
}

/// A whole text that is one date, possibly followed by a time of day.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let text = text.trim_matches(is_blank);
    let (date, n_bytes) = read_date(text)?;
    let rest = &text[n_bytes..];
    let is_time = rest
        .chars()
        .all(|c| c.is_ascii_digit() || is_blank(c) || ":T.Z+-时分秒：".contains(c));
    is_time.then_some(date)
}

fn read_compact(text: &str) -> Option<(Date, usize)> {
    let digits = text
        .get(..8)
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    if text[8..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let date = day(
        digits[..4].parse().ok()?,
        digits[4..6].parse().ok()?,
        digits[6..].parse().ok()?,
    )?;
    Some((date, 8))
}

fn read_parted(text: &str) -> Option<(Date, usize)> {
    let (year, rest) = part(text)?;
    let (month, rest, by_words) = match rest.strip_prefix('年') {
        Some(rest) => {
            let (month, rest) = part(rest)?;
            (month, rest.strip_prefix('月')?, true)
        }
        None => {
            let (month, rest) = part(rest.strip_prefix(SEPARATORS)?)?;
            (month, rest.strip_prefix(SEPARATORS)?, false)
        }
    };
    let (day_of_month, rest) = part(rest)?;
    let rest = if by_words {
        rest.strip_prefix(['日', '号'])?
    } else {
        rest
    };
    Some((day(year, month, day_of_month)?, text.len() - rest.len()))
}

const SEPARATORS: [char; 6] = ['-', '/', '.', '．', '－', '／'];

/// A number, blanks around it skipped.
fn part(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(is_blank);
    let (number, n_bytes) = read_number(text)?;
    let rest = &text[n_bytes..];
    let past = rest.trim_start_matches(is_blank);
    let goes_on = past.starts_with(SEPARATORS) || past.starts_with(['年', '月', '日', '号']);
    Some((number, if goes_on { past } else { rest }))
}

fn day(year: u32, month: u32, day: u32) -> Option<Date> {
    if !(1900..=2200).contains(&year) {
        return None;
    }
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// The last day of a period of `years` and `months` that begins on `from`.
pub(crate) fn last_day(from: Date, years: u32, months: u32) -> Option<Date> {
    let span = jiff::Span::new()
        .try_years(years)
        .ok()?
        .try_months(months)
        .ok()?;
    from.checked_add(span).ok()?.yesterday().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn reads_every_way_of_writing_a_date() {
        let day = date(2024, 1, 5);
        for text in [
            "2024年1月5日",
            "2024 年 1 月 5 日",
            "二〇二四年一月五日",
            "２０２４年１月５日",
            "2024-01-05",
            "2024/1/5",
            "2024.1.5",
            "20240105",
            "2024-01-05 16:38:00",
            "2024-01-05T16:38:00Z",
        ] {
            assert_eq!(parse_date(text), Some(day), "{text}");
        }
        assert_eq!(
            parse_date("二〇二三年十二月三十一日"),
            Some(date(2023, 12, 31))
        );
    }

    #[test]
    fn what_is_no_day_is_no_date() {
        for text in [
            "2024年2月30日",
            "2024年",
            "2024年1月",
            "明天",
            "",
            "2024-13-01",
            "1.2.3",
            "2024年1月5日起施行",
            "202401051",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn five_years_end_on_the_day_before() {
        assert_eq!(last_day(date(2024, 3, 4), 5, 0), Some(date(2029, 3, 3)));
        assert_eq!(last_day(date(2024, 1, 1), 0, 6), Some(date(2024, 6, 30)));
        assert_eq!(last_day(date(2024, 2, 29), 1, 0), Some(date(2025, 2, 27)));
    }
}
