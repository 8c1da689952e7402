//! Files that were made to do harm, or look so. Each ends as a listed outcome, and the files
//! beside it load.
//!
//! 1. A zip bomb as docx, xlsx or OFD, honest about its sizes or not, fails before it is unpacked.
//! 2. Deeply nested HTML fails without overflowing the stack, as does a tag with countless
//!    attributes; a PDF that unpacks to endless operators fails unparsed.
//! 3. Text beyond the limits of size and line length fails; so does a file that is too big, unread.
//! 4. Bytes that are no text fail, a few damaged ones are replaced and reported.
//! 5. Garbage behind any extension or magic bytes fails or is skipped; nothing panics.
//! 6. A link out of the corpus is listed and not followed; a folder named like a file is a folder.
//! 7. Tables with absurd spans, markup without end and long or deep JSONL lines stay within bounds.
//! 8. No damage to a well-formed file makes our own code panic or cut outside the text.
//! 9. Metadata that cannot be read hide their documents from the public.

mod made_files;

use std::fs;
use std::io::Write;

use made_files::{docx, ofd, ofd_page, pdf, xlsx, zip_of};
use proptest::prelude::*;
use zhiku::corpus::load::{LoadContext, load_file};
use zhiku::corpus::walk::walk;
use zhiku::corpus::{CorpusFile, Limits, Outcome};
use zhiku::document::Audience;

fn load_within(name: &str, bytes: &[u8], limits: Limits) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let full_path = folder.path().join(name);
    fs::write(&full_path, bytes).unwrap();
    let file = CorpusFile {
        path: name.to_owned(),
        full_path,
        n_bytes: bytes.len() as u64,
    };
    load_file(
        &file,
        &LoadContext {
            limits,
            ..LoadContext::default()
        },
    )
}

fn load(name: &str, bytes: &[u8]) -> Outcome {
    load_within(name, bytes, Limits::default())
}

fn assert_fails(name: &str, bytes: &[u8], because: &str) {
    match load(name, bytes) {
        Outcome::Failed(reason) => assert!(reason.contains(because), "{name}: {reason}"),
        other => panic!("{name} did not fail: {other:?}"),
    }
}

#[test]
fn zip_bombs_are_not_unpacked() {
    let bomb = vec![b' '; 100 * 1024 * 1024];
    for (name, entry) in [
        ("a.docx", "word/document.xml"),
        ("a.xlsx", "xl/workbook.xml"),
        ("a.ofd", "OFD.xml"),
    ] {
        let bytes = zip_of(&[(entry, &bomb)]);
        assert!(bytes.len() < 1024 * 1024);
        assert_fails(name, &bytes, "炸弹");
    }
}

#[test]
fn a_zip_that_lies_about_its_size_fails() {
    let xml = docx(&format!(
        "<w:p><w:r><w:t>{}</w:t></w:r></w:p>",
        "字".repeat(2_000_000)
    ));
    // Every stated size of about 6 MB becomes 16 bytes, in the local header and the directory.
    let mut lying = xml.clone();
    let stated = lying.windows(4).enumerate().filter(|(_, size)| {
        (5_900_000..6_200_000).contains(&u32::from_le_bytes([size[0], size[1], size[2], size[3]]))
    });
    let places: Vec<usize> = stated.map(|(at, _)| at).collect();
    assert!(places.len() >= 2, "sizes not found");
    for at in places {
        lying[at..at + 4].copy_from_slice(&16u32.to_le_bytes());
    }
    let limits = Limits {
        zip_xml_bytes: 1024 * 1024,
        ..Limits::default()
    };
    assert!(matches!(
        load_within("a.docx", &xml, limits.clone()),
        Outcome::Failed(_)
    ));
    assert!(matches!(
        load_within("a.docx", &lying, limits),
        Outcome::Failed(_) | Outcome::NoText(_)
    ));
}

#[test]
fn a_zip_with_countless_entries_fails() {
    let names: Vec<String> = (0..200)
        .map(|number| format!("word/{number}.xml"))
        .collect();
    let entries: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"<a/>"[..]))
        .collect();
    let limits = Limits {
        zip_entries: 100,
        ..Limits::default()
    };
    assert!(matches!(
        load_within("a.docx", &zip_of(&entries), limits),
        Outcome::Failed(_)
    ));
}

#[test]
fn deep_markup_fails() {
    for tag in [
        "div",
        "b",
        "table><tr><td",
        "ul><li",
        "blockquote",
        "font",
        "object",
    ] {
        assert_fails(
            "a.html",
            format!("<html><body>{}文字", format!("<{tag}>").repeat(100_000)).as_bytes(),
            "嵌套",
        );
    }
}

#[test]
fn markup_without_end_is_read() {
    for page in [
        "<html><body><p>文字".to_owned() + &"<p>段".repeat(20_000),
        "<html><body><p>文字<script>".to_owned() + &"<div>".repeat(20_000),
        "<html><body><p>文字<!-- ".to_owned() + &"<div>".repeat(20_000),
    ] {
        assert!(matches!(
            load("a.html", page.as_bytes()),
            Outcome::Loaded { .. }
        ));
    }
}

#[test]
fn a_tag_with_countless_attributes_fails() {
    let page = format!("<html><body><p {}>文字", "a=1 ".repeat(20_000));
    assert_fails("a.html", page.as_bytes(), "属性");
}

#[test]
fn a_pdf_that_unpacks_to_endless_operators_fails() {
    let operators = b"BT /F1 12 Tf (a) Tj ET\n".repeat(1_000_000);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&operators).unwrap();
    let packed = encoder.finish().unwrap();
    let head = format!(
        "%PDF-1.4\n1 0 obj\n<< /Length {} /Filter /FlateDecode >>\nstream\n",
        packed.len()
    );
    let bytes = [head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat();
    assert_fails("a.pdf", &bytes, "炸弹");
}

#[test]
fn text_beyond_the_limits_fails() {
    assert_fails("a.txt", &b"x".repeat(2 * 1024 * 1024), "有一行");
    assert_fails("a.md", "字".repeat(1024 * 1024).as_bytes(), "有一行");
    assert_fails("a.csv", &b"a,".repeat(1024 * 1024), "有一行");
    assert_fails(
        "a.txt",
        "一行文字\n".repeat(2_500_000).as_bytes(),
        "文字过多",
    );
    let small = Limits {
        file_bytes: 10,
        ..Limits::default()
    };
    assert!(matches!(
        load_within("a.txt", "超过十个字节".as_bytes(), small),
        Outcome::Failed(_)
    ));
}

#[test]
fn a_file_of_200_megabytes_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let full_path = folder.path().join("a.txt");
    // A hole in the file system: nothing is written and nothing must be read.
    fs::File::create(&full_path)
        .unwrap()
        .set_len(200 * 1024 * 1024)
        .unwrap();
    let found = walk(folder.path()).unwrap();
    let outcome = load_file(&found.files[0], &LoadContext::default());
    assert!(
        matches!(&outcome, Outcome::Failed(reason) if reason.contains("过大")),
        "{outcome:?}"
    );
}

#[test]
fn damaged_bytes_are_replaced_or_refused() {
    let mut text = "云溪市临时救助办法全文如下。\n".repeat(20).into_bytes();
    text[100] = 0xff;
    let Outcome::Loaded {
        documents,
        findings,
    } = load("a.txt", &text)
    else {
        panic!("not loaded")
    };
    assert!(documents[0].text.contains("临时救助办法全文"));
    assert!(
        findings
            .iter()
            .any(|finding| finding.code == "damaged_encoding")
    );
    let noise: Vec<u8> = (0..100_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    for name in [
        "a.txt", "a.md", "a.csv", "a.html", "a.pdf", "a.docx", "a.ofd", "a.xls", "a.jsonl",
    ] {
        assert!(matches!(load(name, &noise), Outcome::Failed(_)), "{name}");
    }
}

#[test]
fn garbage_behind_magic_bytes_fails() {
    let noise: Vec<u8> = (0..50_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    for (name, magic) in [
        ("a.pdf", &b"%PDF-1.7\n"[..]),
        ("a.docx", b"PK\x03\x04"),
        ("a.ofd", b"PK\x05\x06"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ] {
        let outcome = load(name, &[magic, &noise].concat());
        assert!(
            matches!(
                outcome,
                Outcome::Failed(_) | Outcome::Skipped(_) | Outcome::NoText(_)
            ),
            "{name}: {outcome:?}"
        );
    }
}

#[test]
fn absurd_spans_are_refused_or_bounded() {
    let page = "<html><body><table><tr><td colspan=99999999 rowspan=99999999>甲</td><td>乙</td></tr><tr><td>丙</td></tr></table></body></html>";
    assert!(matches!(
        load("a.html", page.as_bytes()),
        Outcome::Loaded { .. }
    ));
    let row = "<tr>".to_owned() + &"<td rowspan=1000 colspan=1000>a</td>".repeat(100) + "</tr>";
    let page = format!(
        "<html><body><table>{}</table></body></html>",
        row.repeat(1000)
    );
    assert_fails("a.html", page.as_bytes(), "表格过大");
}

#[test]
fn jsonl_lines_are_bounded() {
    let limits = Limits {
        jsonl_line_bytes: 1000,
        ..Limits::default()
    };
    let deep = "[".repeat(100_000);
    let text = format!(
        "{{\"text\":\"{}\"}}\n{deep}\n{{\"text\":\"好\",\"title\":{{\"a\":1}}}}\n\0\n",
        "长".repeat(1000)
    );
    let Outcome::Loaded {
        documents,
        findings,
    } = load_within("a.jsonl", text.as_bytes(), limits)
    else {
        panic!("not loaded")
    };
    assert_eq!(
        (
            documents.len(),
            findings.iter().filter(|finding| finding.error).count()
        ),
        (1, 3)
    );
}

#[cfg(unix)]
#[test]
fn links_are_listed_and_folders_are_folders() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.md"), "机密").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("通知.docx")).unwrap();
    fs::write(root.join("通知.docx/a.md"), "正文").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.md"), root.join("link.md")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.join("folder")).unwrap();
    std::os::unix::fs::symlink(root.join("通知.docx/a.md"), root.join("inside.md")).unwrap();
    std::os::unix::fs::symlink(root, root.join("通知.docx/loop")).unwrap();
    std::os::unix::fs::symlink(root.join("nowhere"), root.join("dangling.md")).unwrap();
    let found = walk(root).unwrap();
    assert_eq!(
        found
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        ["通知.docx/a.md"]
    );
    let listed: Vec<_> = found
        .skipped
        .iter()
        .map(|(path, outcome)| (path.as_str(), matches!(outcome, Outcome::Failed(_))))
        .collect();
    assert_eq!(
        listed,
        [
            ("dangling.md", true),
            ("folder", true),
            ("inside.md", false),
            ("link.md", true),
            ("通知.docx/loop", false)
        ]
    );
}

/// Well-formed files to be damaged.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let page = ofd_page(&[("云溪市", 30.0, 20.0), ("办法", 45.0, 20.0)]);
    vec![
        (
            "a.docx",
            docx(
                "<w:p><w:r><w:t>云溪市</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>",
            ),
        ),
        (
            "a.xlsx",
            xlsx(&[vec!["问题", "答案"], vec!["甲", "乙"]], &["A1:B1"]),
        ),
        (
            "a.ofd",
            ofd("http://www.ofdspec.org/2016", "Doc_0", &[&page]),
        ),
        ("a.pdf", pdf(&["Yunxi hotline", "12345"])),
        (
            "a.html",
            "<html><body><table><tr><td rowspan=2>甲<td>乙</table><p>文字".into(),
        ),
        (
            "a.md",
            "---\ntitle: 甲\n---\n# 标题\n| a | b |\n|---|---|\n| 1 | 2 |\n- 项".into(),
        ),
        ("a.csv", "问题,答案\n\"甲\n\",乙".into()),
        ("a.jsonl", "{\"_id\":\"a\",\"text\":\"乙\"}\n".into()),
        ("a.txt", "第一条 云溪市。\n第二条 办法。".into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_makes_a_loader_panic(seed in 0usize..9, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), cut in any::<prop::sample::Index>(), cuts in any::<bool>()) {
        let (name, mut bytes) = seeds().swap_remove(seed);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        let outcome = load(name, &bytes);
        if let Outcome::Failed(reason) = &outcome {
            prop_assert!(!reason.contains("程序出错"), "our own code panicked on {name}");
        }
        if let Outcome::Loaded { documents, .. } = &outcome {
            for document in documents {
                for passage in &document.passages {
                    prop_assert!(document.text.get(passage.span.start..passage.span.end).is_some());
                }
            }
        }
    }
}

/// Metadata that cannot be read may have said that a document is for staff: nobody else gets it
/// until an editor has mended them.
#[test]
fn an_audience_that_cannot_be_read_is_the_narrowest() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    put(
        "值/a.md",
        "---\naudience: 谁都行\n---\n核查口径。".as_bytes(),
    );
    put(
        "值/不公开.md",
        "---\naudience: 不公开\n---\n核查口径。".as_bytes(),
    );
    put(
        "语法/a.md",
        "---\naudience: public\n  region: [\n---\n核查口径。".as_bytes(),
    );
    put(
        "旁/a.jsonl",
        "{\"_id\":\"1\",\"title\":\"甲\",\"text\":\"核查口径。\"}\n".as_bytes(),
    );
    put("旁/a.jsonl.meta.yaml", "audience: [public".as_bytes());
    put(
        "表/a.csv",
        "问题,答案,公开属性\n怎么核查？,核查口径。,仅限窗口\n".as_bytes(),
    );
    put("夹/_defaults.yaml", "audience: {".as_bytes());
    put("夹/a.txt", "核查口径。".as_bytes());
    // What is only written in another encoding is read.
    put(
        "码/_defaults.yaml",
        &encoding_rs::GB18030
            .encode("department: 市民政局\naudience: 内部\n")
            .0,
    );
    put("码/a.txt", "核查口径。".as_bytes());
    put("好/a.txt", "核查口径。".as_bytes());

    let context = LoadContext::of_corpus(folder.path());
    let mut seen = std::collections::BTreeMap::new();
    for file in walk(folder.path()).unwrap().files {
        if let Outcome::Loaded {
            documents,
            findings,
        } = load_file(&file, &context)
        {
            let is_error = findings.iter().any(|finding| finding.error);
            for document in documents {
                seen.insert(document.path, (document.metadata.audience, is_error));
            }
        }
    }
    let expected = [
        ("值/a.md", Audience::Internal, true),
        ("值/不公开.md", Audience::Internal, false),
        ("语法/a.md", Audience::Internal, true),
        ("旁/a.jsonl", Audience::Internal, true),
        ("表/a.csv", Audience::Internal, true),
        ("夹/a.txt", Audience::Internal, false),
        ("码/a.txt", Audience::Internal, false),
        ("好/a.txt", Audience::Public, false),
    ];
    for (path, audience, is_error) in expected {
        assert_eq!(seen.get(path), Some(&(audience, is_error)), "{path}");
    }
    assert_eq!(context.defaults.findings().len(), 1);
}
