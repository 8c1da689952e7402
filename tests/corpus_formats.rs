//! What reading a corpus promises, format by format. Every file is made here.
//!
//! 1. The same text comes out of UTF-8, UTF-8 with a mark, GB18030, Big5 and UTF-16 files.
//! 2. A web page gives its main text once: no menus, footers, scripts, hidden copies; tables keep
//!    their column names.
//! 3. Word files give headings, paragraphs and tables in order; one with pictures only is listed
//!    as having no text.
//! 4. A workbook gives its rows under its column names, title rows and merged cells read.
//! 5. An OFD gives lines in reading order with their page, whatever its namespace and path case.
//! 6. A PDF gives text with page numbers; one without text is listed as having none.
//! 7. A table with question and answer columns is one document per row, a JSONL file one per
//!    line, and a bad line takes no other line down.
//! 8. Metadata beside a file is used; content decides the format, not the extension.
//! 9. The same file loads to the same outcome every time.

mod made_files;

use std::fs;
use std::path::Path;

use made_files::{docx, ofd, ofd_page, pdf, xlsx, zip_of};
use zhiku::corpus::load::{LoadContext, load_file};
use zhiku::corpus::{Outcome, walk};
use zhiku::document::{Audience, Document};

/// Loads the one document file in a corpus that holds `files`.
fn load(files: &[(&str, &[u8])]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        write(folder.path(), path, bytes);
    }
    let found = walk::walk(folder.path()).unwrap();
    assert_eq!(found.files.len(), 1, "{:?}", found.files);
    let context = LoadContext::of_corpus(folder.path());
    let outcome = load_file(&found.files[0], &context);
    assert_eq!(
        outcome,
        load_file(&found.files[0], &context),
        "loading is not deterministic"
    );
    outcome
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn documents(outcome: Outcome) -> Vec<Document> {
    match outcome {
        Outcome::Loaded { documents, .. } => documents,
        other => panic!("not loaded: {other:?}"),
    }
}

fn document(path: &str, bytes: &[u8]) -> Document {
    let mut documents = documents(load(&[(path, bytes)]));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

const NOTICE: &str = "云溪市民政局关于临时救助的通知\n\n一、救助对象：因火灾、交通事故等意外事件，基本生活出现严重困难的家庭。\n二、办理时限：自受理之日起十五个工作日内办结。\n";
const TRADITIONAL: &str = "雲溪市政府服務熱線\n\n請問居民如何辦理養老保險？請攜帶身分證明文件，到戶籍所在地的服務中心辦理登記，並填寫申請表。\n";

#[test]
fn every_encoding_gives_the_same_text() {
    let utf16 =
        |order: fn(u16) -> [u8; 2]| NOTICE.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
    let files: [(&str, Vec<u8>); 7] = [
        ("UTF-8", NOTICE.into()),
        ("UTF-8 with mark", marked(b"\xef\xbb\xbf", NOTICE.into())),
        ("GB18030", encoding_rs::GB18030.encode(NOTICE).0.into()),
        ("UTF-16LE", utf16(u16::to_le_bytes)),
        ("UTF-16BE", utf16(u16::to_be_bytes)),
        (
            "UTF-16LE with mark",
            marked(b"\xff\xfe", utf16(u16::to_le_bytes)),
        ),
        (
            "UTF-16BE with mark",
            marked(b"\xfe\xff", utf16(u16::to_be_bytes)),
        ),
    ];
    let expected = document("a.txt", NOTICE.as_bytes()).text;
    assert!(expected.contains("十五个工作日内办结"));
    for (encoding, bytes) in files {
        assert_eq!(document("a.txt", &bytes).text, expected, "{encoding}");
    }
    let traditional = document("a.txt", &encoding_rs::BIG5.encode(TRADITIONAL).0).text;
    assert!(
        traditional.contains("請攜帶身分證明文件"),
        "Big5: {traditional}"
    );
}

#[test]
fn an_html_page_declares_its_encoding() {
    let page =
        "<html><head><meta charset=gbk><title>通知</title></head><body><p>云溪市</p></body></html>";
    assert_eq!(
        document("a.html", &encoding_rs::GBK.encode(page).0).text,
        "云溪市"
    );
}

const PAGE: &str = r#"<!DOCTYPE html><html><head><title>临时救助办法_云溪市民政局网站</title>
<meta name="PubDate" content="2025-03-01 10:00"><style>.x{}</style></head><body>
<div class="header"><ul class="nav"><li><a href="/">首页</a></li><li><a href="/a">政务公开</a></li></ul></div>
<div class="container"><div class="title"><b>临时救助
办法</b></div><div class="attr"><span>文号：云民规〔2025〕2号</span></div>
<div class="article-content" id="zoomcon">
<h2>第一章 总则</h2>
<p><span>为了规范临时救助工作，</span><span>制定
本办法。</span></p><p>一、救助标准<br>按照家庭人口确定。</p>
<table border=1><tr><td rowspan=2>对象</td><td colspan=2>标准</td></tr><tr><td>城镇</td><td>农村</td></tr>
<tr><td rowspan=2>困难家庭</td><td>1200元</td><td>1000元</td></tr><tr><td>1300元</td><td>1100元</td></tr></table>
<script>var a = "不是正文";</script><p>【打印】</p></div></div>
<div class="bbnr" style="display: none;"><p>为了规范临时救助工作，制定本办法。</p></div>
<div class="footer"><p>主办单位：云溪市民政局，地址：云溪市东溪区人民路1号，邮编：000000，东溪区 西溪区 南溪县 北溪县</p></div>
</body></html>"#;

#[test]
fn a_page_gives_its_main_text_once() {
    let document = document("民政局/救助.html", PAGE.as_bytes());
    assert_eq!(
        document.text,
        "临时救助办法\n第一章 总则\n为了规范临时救助工作，制定本办法。\n一、救助标准\n按照家庭人口确定。\n\
         对象：困难家庭；标准／城镇：1200元；标准／农村：1000元\n\
         对象：困难家庭；标准／城镇：1300元；标准／农村：1100元"
    );
    assert_eq!(document.title, "临时救助办法");
    assert_eq!(
        document.metadata.doc_no.as_deref(),
        Some("云民规〔2025〕2号")
    );
}

#[test]
fn a_page_without_known_names_is_found_by_its_text() {
    let body =
        "云溪市居民可以凭身份证到服务中心办理养老保险登记，当场办结，不收取任何费用。".repeat(5);
    let page = format!(
        "<html><body><nav><a>首页</a></nav><form><div class=q1><div class=q2><p>{body}</p><p>咨询电话：12345</p></div></div></form>\
         <footer>版权所有 云溪市人民政府办公室</footer></body></html>"
    );
    assert_eq!(
        document("a.htm", page.as_bytes()).text,
        format!("{body}\n咨询电话：12345")
    );
}

#[test]
fn a_word_file_keeps_headings_and_tables() {
    let paragraph = |style: &str, text: &str| {
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let cell = |text: &str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
    let row = |cells: &[&str]| {
        format!(
            "<w:tr>{}</w:tr>",
            cells.iter().map(|text| cell(text)).collect::<String>()
        )
    };
    let body = [
        paragraph("Heading1", "高龄津贴发放办法"),
        paragraph("Normal", "年满八十周岁的老年人可以申请。"),
        format!(
            "<w:tbl>{}{}</w:tbl>",
            row(&["年龄", "每月"]),
            row(&["80-89岁", "100元"])
        ),
        paragraph("Normal", "本办法自2025年1月1日起施行。"),
    ]
    .concat();
    let document = document("a.docx", &docx(&body));
    assert_eq!(
        document.text,
        "高龄津贴发放办法\n年满八十周岁的老年人可以申请。\n年龄：80-89岁；每月：100元\n本办法自2025年1月1日起施行。"
    );
    assert_eq!(document.title, "高龄津贴发放办法");
}

#[test]
fn a_word_file_without_words_is_listed() {
    assert!(matches!(
        load(&[("a.docx", &docx("<w:p/>"))]),
        Outcome::NoText(_)
    ));
}

#[test]
fn a_workbook_is_read_under_its_column_names() {
    let rows = [
        vec!["云溪市公租房租金标准", "", ""],
        vec!["区域", "面积", "租金"],
        vec!["东溪区", "40㎡", "300元"],
        vec!["", "60㎡", "450元"],
    ];
    let document = document("a.xlsx", &xlsx(&rows, &["A1:C1", "A3:A4"]));
    assert_eq!(
        document.text,
        "云溪市公租房租金标准\n区域：东溪区；面积：40㎡；租金：300元\n区域：东溪区；面积：60㎡；租金：450元"
    );
}

#[test]
fn an_ofd_is_read_in_lines_and_pages() {
    let first = ofd_page(&[
        ("本办法自二〇二五年一月一日起施", 38.0, 40.0),
        ("云溪市救助办法", 60.0, 20.0),
        ("行。", 31.0, 47.0),
    ]);
    let second = ofd_page(&[("附件：申请表", 31.0, 20.0)]);
    for bytes in [
        ofd("http://www.ofdspec.org/2016", "Doc_0", &[&first, &second]),
        ofd("urn:other", "DOC_0", &[&first, &second]),
    ] {
        let document = document("a.ofd", &bytes);
        assert_eq!(
            document.text,
            "云溪市救助办法\n本办法自二〇二五年一月一日起施行。\n附件：申请表"
        );
        let pages: Vec<_> = document
            .passages
            .iter()
            .map(|passage| passage.page)
            .collect();
        assert_eq!(pages.first(), Some(&Some(1)));
    }
}

#[test]
fn a_broken_ofd_fails() {
    let whole = ofd(
        "http://www.ofdspec.org/2016",
        "Doc_0",
        &[&ofd_page(&[("字", 30.0, 20.0)])],
    );
    let cut_off = &whole[..whole.len() / 2];
    assert!(matches!(load(&[("a.ofd", cut_off)]), Outcome::Failed(_)));
    let without_pages = zip_of(&[(
        "OFD.xml",
        b"<OFD><DocBody><DocRoot>Doc_0/Document.xml</DocRoot></DocBody></OFD>",
    )]);
    assert!(matches!(
        load(&[("a.ofd", &without_pages)]),
        Outcome::Failed(_)
    ));
}

#[test]
fn a_pdf_gives_text_with_pages() {
    let document = document(
        "a.pdf",
        &pdf(&[
            "Opening hours of the Yunxi hotline: all day, every day.",
            "Call 12345 for any question.",
        ]),
    );
    assert!(
        document.text.contains("Opening hours of the Yunxi hotline"),
        "{}",
        document.text
    );
    assert!(document.text.contains("Call 12345"), "{}", document.text);
    assert!(matches!(
        load(&[("scan.pdf", &pdf(&["", ""]))]),
        Outcome::NoText(_)
    ));
}

#[test]
fn faq_rows_and_jsonl_lines_are_documents() {
    let csv = "问题,答案,部门\n怎么领高龄津贴？,\"带身份证，到社区办理。\",市民政局\n公交卡丢了怎么办？,可以挂失补办。,市交通局\n";
    let faq = documents(load(&[("问答.csv", &encoding_rs::GB18030.encode(csv).0)]));
    let found: Vec<_> = faq
        .iter()
        .map(|d| {
            (
                d.id.as_str(),
                d.title.as_str(),
                d.metadata.department.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("问答.csv#2", "怎么领高龄津贴？", Some("市民政局")),
            ("问答.csv#3", "公交卡丢了怎么办？", Some("市交通局"))
        ]
    );

    let jsonl = "{\"_id\":\"a\",\"title\":\"甲\",\"text\":\"正文一。\",\"kind\":\"policy\"}\nnot json\n{\"_id\":\"b\",\"text\":\"正文二。\"}\n";
    let Outcome::Loaded {
        documents,
        findings,
    } = load(&[("批量.jsonl", jsonl.as_bytes())])
    else {
        panic!("not loaded")
    };
    assert_eq!(
        documents.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.error && finding.message.contains("第 2 行")),
        "{findings:?}"
    );
}

#[test]
fn metadata_beside_a_file_is_used() {
    let files: [(&str, &[u8]); 3] = [
        (
            "人社局/_defaults.yaml",
            "audience: agent\nregion: 云溪市\n".as_bytes(),
        ),
        (
            "人社局/话术.md.meta.yaml",
            "title: 退休咨询话术\n".as_bytes(),
        ),
        (
            "人社局/话术.md",
            "---\nregion: 东溪区\n---\n# 开场\n\n您好。".as_bytes(),
        ),
    ];
    let document = documents(load(&files)).remove(0);
    assert_eq!(
        (document.title.as_str(), document.metadata.region.as_deref()),
        ("退休咨询话术", Some("东溪区"))
    );
    assert_eq!(
        (
            document.metadata.audience,
            document.metadata.department.as_deref()
        ),
        (Audience::Agent, Some("人社局"))
    );
    assert_eq!(document.text, "开场\n您好。");
}

#[test]
fn content_decides_the_format() {
    assert_eq!(document("导出.xls", b"<html><body><table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table></body></html>").text, "a：1；b：2");
    assert!(
        document("a.txt", &pdf(&["A PDF by another name than its own."]))
            .text
            .contains("another name")
    );
    for (name, bytes) in [
        ("图.png", &b"\x89PNG\r\n\x1a\n\0\0"[..]),
        ("包.zip", &zip_of(&[("a.txt", b"a")])),
        ("表.json", b"{}"),
    ] {
        assert!(
            matches!(load(&[(name, bytes)]), Outcome::Skipped(_)),
            "{name}"
        );
    }
}
