//! Refuses PDFs whose page content would take gigabytes to read.
//!
//! A few hundred kilobytes can unpack to hundreds of megabytes of drawing operators, and a parser
//! keeps many times that in memory. Operators are text, so what is measured is unpacked text;
//! pictures and fonts are binary and not meant. Streams behind other filters than Flate are not
//! looked into: they hardly compress.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::limits::shown_size;
use super::{Limits, LoadError};

/// How far before its data the dictionary of a stream is looked for.
const DICTIONARY_WITHIN: usize = 2048;
/// More filters on one stream than this are hostile.
const MOST_FLATE_FILTERS: usize = 2;
/// A stream with this share of bytes outside ASCII text is a picture or a font.
const BINARY_PERCENT: u64 = 5;

/// Checks every stream of the file.
///
/// # Errors
/// [`LoadError::Unreadable`] if one holds more operators than `limits.pdf_content_bytes`.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&bytes[at..], b"stream") {
        let keyword = at + found;
        at = keyword + b"stream".len();
        if bytes[..keyword].ends_with(b"end") {
            continue;
        }
        let dictionary = dictionary_before(&bytes[..keyword]);
        let n_filters = memchr::memmem::find_iter(dictionary, b"/Fl").count();
        let data = bytes[at..]
            .strip_prefix(b"\r\n")
            .or(bytes[at..].strip_prefix(b"\n"))
            .unwrap_or(&bytes[at..]);
        if n_filters > MOST_FLATE_FILTERS
            || unpacks_to_more(data, n_filters, limits.pdf_content_bytes)
        {
            return Err(LoadError::Unreadable(format!(
                "PDF 页面内容解压后超过 {}，疑似压缩炸弹，已拒绝",
                shown_size(limits.pdf_content_bytes)
            )));
        }
    }
    Ok(())
}

/// The bytes from the last `obj` on, where a stream's dictionary stands.
fn dictionary_before(bytes: &[u8]) -> &[u8] {
    let near = &bytes[bytes.len().saturating_sub(DICTIONARY_WITHIN)..];
    memchr::memmem::rfind(near, b"obj").map_or(near, |start| &near[start..])
}

/// Whether `data`, unpacked `n_filters` times, holds more than `limit` bytes of text.
fn unpacks_to_more(data: &[u8], n_filters: usize, limit: u64) -> bool {
    let mut reader: Box<dyn Read + '_> = match n_filters {
        0 => return false,
        1 => Box::new(ZlibDecoder::new(data)),
        _ => Box::new(ZlibDecoder::new(ZlibDecoder::new(data))),
    };
    let mut buffer = vec![0; 64 * 1024];
    let (mut n_text, mut n_all) = (0u64, 0u64);
    // Damaged data ends here; the parser will meet the same end.
    while let Ok(n_read @ 1..) = reader.read(&mut buffer) {
        let text = buffer[..n_read]
            .iter()
            .filter(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
        n_text += text.count() as u64;
        n_all += n_read as u64;
        if n_all > limit && (n_all - n_text) * 100 > n_all * BINARY_PERCENT {
            return false;
        }
        if n_text > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check_stream(filter: &str, data: &[u8]) -> bool {
        let mut file =
            format!("%PDF-1.7\n1 0 obj\n<< /Filter {filter} >>\nstream\r\n").into_bytes();
        file.extend_from_slice(data);
        file.extend_from_slice(b"\nendstream\nendobj\n");
        check(
            &file,
            &Limits {
                pdf_content_bytes: 100_000,
                ..Limits::default()
            },
        )
        .is_ok()
    }

    #[test]
    fn only_too_much_text_is_refused() {
        let operators = b"BT (a) Tj ET\n".repeat(20_000);
        let picture: Vec<u8> = (0..300_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        assert!(!check_stream("/FlateDecode", &packed(&operators)));
        assert!(!check_stream(
            "[/FlateDecode /FlateDecode]",
            &packed(&packed(&operators))
        ));
        assert!(!check_stream(
            "[/FlateDecode /FlateDecode /FlateDecode]",
            b""
        ));
        assert!(check_stream("/FlateDecode", &packed(&operators[..50_000])));
        assert!(check_stream("/FlateDecode", &packed(&picture)));
        assert!(check_stream("/FlateDecode", b"damaged"));
        assert!(check_stream("/DCTDecode", &operators));
    }
}
