//! Bytes → text: UTF-8, GB18030, Big5 and UTF-16, with or without a byte order mark.
//!
//! The whole file is looked at, not its first lines. Bytes that stand for nothing become U+FFFD
//! and are counted; a file that is mostly such bytes is no text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

use super::{Finding, LoadError};

/// A decoded file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Without a byte order mark.
    pub text: String,
    /// Name of the encoding, as the WHATWG encoding standard has it.
    pub encoding: &'static str,
    /// How often a sequence of bytes stood for nothing and was replaced by U+FFFD.
    pub n_replaced: usize,
}

impl Decoded {
    /// A note for the editor if something had to be replaced.
    pub fn finding(&self) -> Option<Finding> {
        (self.n_replaced > 0).then(|| Finding {
            error: false,
            code: "damaged_encoding",
            message: format!(
                "文件按 {} 编码读取，有 {} 处字符损坏，已用“\u{fffd}”代替；请检查并用 UTF-8 重新保存",
                self.encoding, self.n_replaced
            ),
        })
    }
}

/// More replacements than one in so many characters: not text.
const CHARS_PER_REPLACEMENT: usize = 10;
/// Of the characters, so many percent must be usual ones for UTF-16 without a mark.
const USUAL_PERCENT: usize = 95;

/// Decodes a text file; `declared` is an encoding label that the file itself states.
///
/// A declared encoding is believed only if the bytes fit it.
///
/// # Errors
/// [`LoadError::Unreadable`] if the bytes are no text in any of these encodings.
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Result<Decoded, LoadError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return accept(encoding, &bytes[mark..]);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !looks_binary(bytes)
    {
        return Ok(Decoded {
            text: text.to_owned(),
            encoding: UTF_8.name(),
            n_replaced: 0,
        });
    }
    if let Some(encoding) = unmarked_utf16(bytes) {
        return accept(encoding, bytes);
    }
    if looks_binary(bytes) {
        return Err(LoadError::Unreadable(
            "文件内容不是文字（可能是其他格式改了扩展名，或已损坏）".to_owned(),
        ));
    }
    let declared = declared.and_then(|label| Encoding::for_label(label.trim().as_bytes()));
    if let Some(encoding) = declared.filter(|&e| {
        e != UTF_8
            && e.decode_without_bom_handling_and_without_replacement(bytes)
                .is_some()
    }) {
        return accept(if encoding == GBK { GB18030 } else { encoding }, bytes);
    }
    accept(guess(bytes), bytes)
}

/// Whether the bytes hold what no text in an encoding of single bytes holds.
pub fn looks_binary(bytes: &[u8]) -> bool {
    let n_controls = bytes
        .iter()
        .filter(|&&byte| matches!(byte, 0 | 1..=8 | 14..=26 | 28..=31))
        .count();
    memchr::memchr(0, bytes).is_some() || n_controls * 50 > bytes.len()
}

/// UTF-8 with some damage, GB18030 or Big5: whichever the bytes speak for.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let (n_valid, n_invalid) = count_utf8(bytes);
    if n_valid > n_invalid * 20 {
        return UTF_8;
    }
    let fits = |encoding: &'static Encoding| {
        encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .is_some()
    };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    match detector.guess(None, Utf8Detection::Deny) {
        encoding if encoding == BIG5 && fits(BIG5) => BIG5,
        _ if fits(GB18030) => GB18030,
        _ if fits(BIG5) => BIG5,
        _ if n_valid > n_invalid => UTF_8,
        _ => GB18030,
    }
}

/// Sequences of several bytes that are UTF-8, and stretches that are not.
fn count_utf8(bytes: &[u8]) -> (usize, usize) {
    bytes
        .utf8_chunks()
        .fold((0, 0), |(n_valid, n_invalid), chunk| {
            let n_wide = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            (
                n_valid + n_wide,
                n_invalid + usize::from(!chunk.invalid().is_empty()),
            )
        })
}

/// UTF-16 whose units are mostly usual characters in one byte order and not in the other.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    if bytes.len() < 4 || bytes.len() % 2 != 0 {
        return None;
    }
    let usual = |unit: fn([u8; 2]) -> u16| {
        let n_usual = bytes
            .chunks_exact(2)
            .filter(|pair| is_usual(unit([pair[0], pair[1]])))
            .count();
        n_usual * 100 >= bytes.len() / 2 * USUAL_PERCENT
    };
    // Without a NUL byte the text would hold no ASCII at all, not even a line break; then only
    // bytes that are no GB18030 either are worth the risk.
    let has_nul = memchr::memchr(0, bytes).is_some();
    if !has_nul
        && GB18030
            .decode_without_bom_handling_and_without_replacement(bytes)
            .is_some()
    {
        return None;
    }
    match (usual(u16::from_le_bytes), usual(u16::from_be_bytes)) {
        (true, false) => Some(UTF_16LE),
        (false, true) => Some(UTF_16BE),
        _ => None,
    }
}

/// White space, printable ASCII, Chinese characters, their punctuation and full-width forms.
fn is_usual(unit: u16) -> bool {
    matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0xa0..=0xff | 0x2010..=0x2027 | 0x2460..=0x24ff
        | 0x25a0..=0x25ff | 0x3000..=0x303f | 0x4e00..=0x9fff | 0xff00..=0xffef)
}

fn accept(encoding: &'static Encoding, bytes: &[u8]) -> Result<Decoded, LoadError> {
    let text = encoding.decode_without_bom_handling(bytes).0.into_owned();
    let n_replaced = text.matches('\u{fffd}').count();
    if n_replaced * CHARS_PER_REPLACEMENT > text.chars().count() || looks_binary(text.as_bytes()) {
        return Err(LoadError::Unreadable(
            "文件内容无法按任何常用中文编码读取（不是文本，或已损坏）".to_owned(),
        ));
    }
    Ok(Decoded {
        text,
        encoding: encoding.name(),
        n_replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "云溪市人民政府关于城乡居民养老保险的通知\r\n一、参保范围：年满16周岁，具有本市户籍。";
    const TRADITIONAL: &str =
        "雲溪市政府服務熱線：請問居民如何辦理養老保險？請攜帶身分證明文件，到戶籍所在地辦理登記。";

    fn check(bytes: &[u8], encoding: &str, text: &str) {
        let decoded = decode(bytes, None).unwrap();
        assert_eq!(
            (decoded.encoding, decoded.text.as_str(), decoded.n_replaced),
            (encoding, text, 0)
        );
    }

    fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    #[test]
    fn each_encoding_is_told_by_its_bytes() {
        check(TEXT.as_bytes(), "UTF-8", TEXT);
        check(&[b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), "UTF-8", TEXT);
        check(&GB18030.encode(TEXT).0, "gb18030", TEXT);
        check(&BIG5.encode(TRADITIONAL).0, "Big5", TRADITIONAL);
        check(&utf16(TEXT, u16::to_le_bytes), "UTF-16LE", TEXT);
        check(&utf16(TEXT, u16::to_be_bytes), "UTF-16BE", TEXT);
        check(
            &[b"\xff\xfe".to_vec(), utf16(TEXT, u16::to_le_bytes)].concat(),
            "UTF-16LE",
            TEXT,
        );
        check(b"", "UTF-8", "");
    }

    #[test]
    fn damage_is_replaced_and_counted() {
        let mut bytes = TEXT.repeat(3).into_bytes();
        bytes[4] = 0xff;
        let decoded = decode(&bytes, None).unwrap();
        assert_eq!(decoded.encoding, "UTF-8");
        assert!(decoded.n_replaced >= 1 && decoded.finding().is_some());
        assert!(decoded.text.contains("参保范围"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let noise: Vec<u8> = (0..4000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        assert!(decode(&noise, None).is_err());
        assert!(decode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None).is_err());
    }

    #[test]
    fn a_declared_encoding_is_believed_only_if_it_fits() {
        let big5 = BIG5.encode("市政府").0;
        assert_eq!(decode(&big5, Some("big5")).unwrap().text, "市政府");
        assert_eq!(decode(TEXT.as_bytes(), Some("gb2312")).unwrap().text, TEXT);
    }
}
