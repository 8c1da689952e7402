//! OFD (GB/T 33190): a zip of XML, the layout format of Chinese authorities.
//!
//! Follows OFD.xml → Document.xml → pages with their templates and takes every `TextCode`.
//! Namespaces differ between producers and paths are spelled in mixed case, so elements are
//! told by local name and entries by name without case. How fragments become lines is
//! [`super::ofd_lines`]' matter; fonts, pictures and signatures are not looked at.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::ofd_lines::{self, Fragment};
use super::{Extract, ExtractBuilder, Finding, Limits, LoadError, Role, decode, office};

/// Reads an OFD file.
///
/// # Errors
/// [`LoadError::NoText`] if no page holds text; [`LoadError::Unreadable`] if it is damaged or
/// beyond the limits.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Extract, LoadError> {
    office::check_zip(bytes, limits)?;
    let mut container = Container::open(bytes, limits)?;
    let mut builder = ExtractBuilder::new();
    let root = container.xml("OFD.xml")?;
    let mut page_number = 0;
    let mut n_failed = 0;
    for document_path in texts_of(&root, "DocRoot") {
        let document = container.xml(&document_path)?;
        let outline = Outline::read(&document, &document_path);
        for page_path in &outline.pages {
            page_number += 1;
            match page_fragments(&mut container, page_path, &outline) {
                Ok(fragments) => {
                    for paragraph in ofd_lines::paragraphs(fragments) {
                        builder.push(Role::Paragraph, Some(page_number), &paragraph);
                    }
                }
                Err(_) => n_failed += 1,
            }
        }
    }
    if let Some(finding) = missing_pictures(&mut container) {
        builder.finding(finding);
    }
    finish(builder, page_number, n_failed, &root)
}

fn finish(
    mut builder: ExtractBuilder,
    n_pages: u32,
    n_failed: u32,
    root: &str,
) -> Result<Extract, LoadError> {
    if n_pages == 0 || n_failed == n_pages {
        return Err(LoadError::Unreadable(
            "OFD 损坏：找不到可读的页面，请重新导出".to_owned(),
        ));
    }
    if builder.n_bytes() == 0 {
        return Err(LoadError::NoText(format!(
            "OFD 共 {n_pages} 页，没有文字（扫描件或图片），请提供文字版"
        )));
    }
    if n_failed > 0 {
        builder.finding(Finding {
            error: true,
            code: "damaged_pages",
            message: format!("OFD 共 {n_pages} 页，其中 {n_failed} 页损坏，内容缺失，请重新导出"),
        });
    }
    for key in [
        "Title",
        "Author",
        "Subject",
        "Keyword",
        "CreationDate",
        "ModDate",
    ] {
        for value in texts_of(root, key) {
            builder.property(&key.to_lowercase(), &value);
        }
    }
    Ok(builder.finish())
}

/// A note if pictures that the file refers to are not in it: whoever made it lost a part.
fn missing_pictures(container: &mut Container<'_>) -> Option<Finding> {
    let resources: Vec<String> = container
        .entries
        .keys()
        .filter(|path| path.ends_with(".xml") && path.contains("res"))
        .cloned()
        .collect();
    let mut missing = Vec::new();
    for path in resources {
        let Ok(xml) = container.xml(&path) else {
            continue;
        };
        let mut folder = path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        each_element(&xml, |element, text| match element.local_name().as_ref() {
            "Res" => folder = joined(&folder, &attribute(element, "BaseLoc").unwrap_or_default()),
            "MediaFile"
                if !container
                    .entries
                    .contains_key(&key(&joined(&folder, text.trim()))) =>
            {
                missing.push(text.trim().to_owned());
            }
            _ => {}
        });
    }
    (!missing.is_empty()).then(|| Finding {
        error: false,
        code: "damaged_container",
        message: format!(
            "OFD 不完整：缺少所引用的图片 {}；文字已读取，请核对原件",
            missing.join("、")
        ),
    })
}

/// The text of a page: what its templates show, then its own.
fn page_fragments(
    container: &mut Container<'_>,
    path: &str,
    outline: &Outline,
) -> Result<Vec<Fragment>, LoadError> {
    let page = container.xml(path)?;
    let mut fragments = Vec::new();
    for id in template_ids(&page) {
        // A template that is missing costs the page its letterhead, not its text.
        if let Some(path) = outline.templates.get(&id)
            && let Ok(template) = container.xml(path)
        {
            fragments.extend(read_fragments(&template));
        }
    }
    fragments.extend(read_fragments(&page));
    Ok(fragments)
}

/// Pages in order and templates by id, as Document.xml lists them.
#[derive(Debug, Default)]
struct Outline {
    pages: Vec<String>,
    templates: BTreeMap<String, String>,
}

impl Outline {
    fn read(document: &str, document_path: &str) -> Self {
        let folder = document_path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let mut outline = Outline::default();
        each_element(document, |element, _| {
            let Some(location) = attribute(element, "BaseLoc") else {
                return;
            };
            let path = joined(folder, &location);
            match element.local_name().as_ref() {
                "Page" => outline.pages.push(path),
                "TemplatePage" => {
                    outline
                        .templates
                        .insert(attribute(element, "ID").unwrap_or_default(), path);
                }
                _ => {}
            }
        });
        outline
    }
}

fn template_ids(page: &str) -> Vec<String> {
    let mut ids = Vec::new();
    each_element(page, |element, _| {
        if element.local_name().as_ref() == "Template" {
            ids.extend(attribute(element, "TemplateID"));
        }
    });
    ids
}

/// Every piece of text on a page, in the order of the file.
fn read_fragments(page: &str) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut object = ofd_lines::TextObject::default();
    each_element(page, |element, text| match element.local_name().as_ref() {
        "TextObject" => {
            object = ofd_lines::TextObject::new(
                &attribute(element, "Boundary").unwrap_or_default(),
                attribute(element, "CTM").as_deref(),
                attribute(element, "Size").as_deref(),
            );
        }
        "TextCode" => {
            let (x, y) = (attribute(element, "X"), attribute(element, "Y"));
            let deltas = attribute(element, "DeltaX").unwrap_or_default();
            fragments.extend(object.fragment(text, x.as_deref(), y.as_deref(), &deltas));
        }
        _ => {}
    });
    fragments
}

/// The text of every element of this local name, trimmed.
fn texts_of(xml: &str, name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    each_element(xml, |element, text| {
        if element.local_name().as_ref() == name && !text.trim().is_empty() {
            texts.push(text.trim().to_owned());
        }
    });
    texts
}

/// Calls `visit` with every element, in order of their start tags, and the text directly after
/// the start tag. Ends at the first error of syntax: what stands before it is still read.
fn each_element(xml: &str, mut visit: impl FnMut(&BytesStart<'_>, &str)) {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = false;
    let mut open: Option<BytesStart<'static>> = None;
    let mut text = String::new();
    loop {
        let event = reader.read_event();
        match &event {
            Ok(Event::Text(part)) => text.push_str(&part.xml10_content()),
            Ok(Event::CData(part)) => text.push_str(part),
            Ok(Event::GeneralRef(reference)) => text.extend(entity(reference)),
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => {}
            Ok(Event::Start(_) | Event::Empty(_) | Event::End(_) | Event::Eof) | Err(_) => {
                if let Some(element) = open.take() {
                    visit(&element, &text);
                }
                text.clear();
                match event {
                    Ok(Event::Start(element)) => open = Some(element.into_owned()),
                    Ok(Event::Empty(element)) => visit(&element, ""),
                    Ok(Event::End(_)) => {}
                    _ => return,
                }
            }
        }
    }
}

fn entity(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match &*reference.xml10_content() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| attribute.value.into_owned())
}

/// `location` as seen from `folder`; a leading `/` starts at the container's root.
fn joined(folder: &str, location: &str) -> String {
    let location = location.replace('\\', "/");
    let mut parts: Vec<&str> = if location.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in location.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// The zip, its entries by lower-case name.
struct Container<'b> {
    archive: zip::ZipArchive<Cursor<&'b [u8]>>,
    entries: BTreeMap<String, usize>,
    max_entry_bytes: u64,
}

impl<'b> Container<'b> {
    fn open(bytes: &'b [u8], limits: &Limits) -> Result<Self, LoadError> {
        let archive = zip::ZipArchive::new(Cursor::new(bytes))
            .map_err(|_| LoadError::Unreadable("OFD 不完整或已损坏，请重新上传".to_owned()))?;
        let names = archive.file_names_raw().enumerate();
        let entries = names
            .map(|(index, name)| (key(&String::from_utf8_lossy(name)), index))
            .collect();
        Ok(Self {
            archive,
            entries,
            max_entry_bytes: limits.zip_xml_bytes,
        })
    }

    /// The decoded XML entry at `path`.
    fn xml(&mut self, path: &str) -> Result<String, LoadError> {
        let missing = || LoadError::Unreadable(format!("OFD 损坏：缺少 {path}"));
        let index = *self.entries.get(&key(path)).ok_or_else(missing)?;
        let damaged = || LoadError::Unreadable(format!("OFD 损坏：{path} 无法解压"));
        let entry = self.archive.by_index(index).map_err(|_| damaged())?;
        let mut bytes = Vec::new();
        entry
            .take(self.max_entry_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| damaged())?;
        if bytes.len() as u64 > self.max_entry_bytes {
            return Err(LoadError::Unreadable(format!("OFD 损坏：{path} 过大")));
        }
        Ok(decode::decode(&bytes, None)?.text)
    }
}

fn key(path: &str) -> String {
    joined("", path).to_lowercase()
}
