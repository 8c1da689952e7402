//! Small office, OFD and PDF files made in code, so that no test needs a file on disk.
#![allow(dead_code)] // Each test file uses its part.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

/// A zip with these entries, compressed.
pub fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";

fn package(kind: &str, main: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let types = format!(
        "<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/{main}\" ContentType=\"{kind}\"/></Types>"
    );
    let root = format!(
        "<Relationships xmlns=\"{RELATIONSHIPS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"{main}\"/></Relationships>"
    );
    let mut entries = vec![
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", root.as_bytes()),
    ];
    entries.extend(parts.iter().map(|(name, xml)| (*name, xml.as_bytes())));
    zip_of(&entries)
}

/// A Word file with this body; the style `Heading1` is a heading.
pub fn docx(body: &str) -> Vec<u8> {
    let namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    let document =
        format!("<w:document xmlns:w=\"{namespace}\"><w:body>{body}</w:body></w:document>");
    let styles = format!(
        "<w:styles xmlns:w=\"{namespace}\"><w:style w:type=\"paragraph\" w:styleId=\"Heading1\"><w:name w:val=\"heading 1\"/>\
         <w:pPr><w:outlineLvl w:val=\"0\"/></w:pPr></w:style></w:styles>"
    );
    let links = format!(
        "<Relationships xmlns=\"{RELATIONSHIPS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    package(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "word/document.xml",
        &[
            ("word/document.xml", &document),
            ("word/styles.xml", &styles),
            ("word/_rels/document.xml.rels", &links),
        ],
    )
}

/// A workbook with one sheet; empty cells are left out, `merged` are ranges like `A1:C1`.
pub fn xlsx(rows: &[Vec<&str>], merged: &[&str]) -> Vec<u8> {
    let namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let mut data = String::new();
    for (number, row) in (1..).zip(rows) {
        data.push_str(&format!("<row r=\"{number}\">"));
        for (column, text) in ('A'..).zip(row).filter(|(_, text)| !text.is_empty()) {
            data.push_str(&format!(
                "<c r=\"{column}{number}\" t=\"inlineStr\"><is><t>{text}</t></is></c>"
            ));
        }
        data.push_str("</row>");
    }
    let merges: String = merged
        .iter()
        .map(|range| format!("<mergeCell ref=\"{range}\"/>"))
        .collect();
    let sheet = format!(
        "<worksheet xmlns=\"{namespace}\"><sheetData>{data}</sheetData><mergeCells>{merges}</mergeCells></worksheet>"
    );
    let workbook = format!(
        "<workbook xmlns=\"{namespace}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"表1\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let links = format!(
        "<Relationships xmlns=\"{RELATIONSHIPS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    package(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        "xl/workbook.xml",
        &[
            ("xl/workbook.xml", &workbook),
            ("xl/_rels/workbook.xml.rels", &links),
            ("xl/worksheets/sheet1.xml", &sheet),
        ],
    )
}

/// The text objects of an OFD page: text, left end and baseline in millimetres; 5 mm characters.
pub fn ofd_page(pieces: &[(&str, f64, f64)]) -> String {
    pieces
        .iter()
        .map(|(text, x, y)| {
            let width = 5.0 * text.chars().count() as f64;
            format!(
                "<o:TextObject Boundary=\"{x} {} {width} 6\" Size=\"5\"><o:TextCode X=\"0\" Y=\"5\" DeltaX=\"g 999 5\">{text}</o:TextCode></o:TextObject>",
                y - 5.0
            )
        })
        .collect()
}

/// An OFD whose XML uses `namespace` and whose entries stand in a folder spelled `folder`.
pub fn ofd(namespace: &str, folder: &str, pages: &[&str]) -> Vec<u8> {
    let root = format!(
        "<o:OFD xmlns:o=\"{namespace}\"><o:DocBody><o:DocRoot>Doc_0/Document.xml</o:DocRoot></o:DocBody></o:OFD>"
    );
    let list: String = (0..pages.len())
        .map(|page| format!("<o:Page ID=\"{page}\" BaseLoc=\"Pages/Page_{page}/Content.xml\"/>"))
        .collect();
    let document =
        format!("<o:Document xmlns:o=\"{namespace}\"><o:Pages>{list}</o:Pages></o:Document>");
    let mut entries = vec![
        ("OFD.xml".to_owned(), root),
        (format!("{folder}/Document.xml"), document),
    ];
    for (number, page) in pages.iter().enumerate() {
        let xml = format!(
            "<o:Page xmlns:o=\"{namespace}\"><o:Content><o:Layer>{page}</o:Layer></o:Content></o:Page>"
        );
        entries.push((format!("{folder}/Pages/Page_{number}/Content.xml"), xml));
    }
    let entries: Vec<(&str, &[u8])> = entries
        .iter()
        .map(|(name, xml)| (name.as_str(), xml.as_bytes()))
        .collect();
    zip_of(&entries)
}

/// A PDF with one line of ASCII text per page, without compression.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let n_pages = pages.len();
    let kids: String = (0..n_pages)
        .map(|page| format!("{} 0 R ", 4 + 2 * page))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {n_pages} >>"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    for (page, text) in pages.iter().enumerate() {
        let content = if text.is_empty() {
            String::new()
        } else {
            format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET")
        };
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(&objects) {
        offsets.push(file.len());
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let table = file.len();
    file.push_str(&format!(
        "xref\n0 {}\n0000000000 65535 f \n",
        objects.len() + 1
    ));
    for offset in offsets {
        file.push_str(&format!("{offset:010} 00000 n \n"));
    }
    file.push_str(&format!(
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    ));
    file.into_bytes()
}
