//! A knowledge base of which everybody sees another part, and a server over it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Stands in every part of one document, and in no other.
pub fn marker(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("zq{}{}vx", letter(n / 26), letter(n))
}

/// A document with what decides who sees it.
#[derive(Clone, Debug)]
pub struct Made {
    pub id: String,
    pub marker: String,
    pub audience: &'static str,
    pub department: Option<&'static str>,
    pub region: Option<&'static str>,
    /// Whether it is served at the end.
    pub is_served: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: &'static str,
    pub role: &'static str,
    pub department: Option<&'static str>,
    pub region: Option<&'static str>,
    pub token: Option<String>,
}

const HEALTH: &str = "市医保局";
const LABOUR: &str = "市人社局";

impl Person {
    /// Written down here once more: not by the code under test.
    pub fn sees(&self, made: &Made) -> bool {
        let allowed: &[&str] = match self.role {
            "public" | "none" => &["public"],
            "agent" => &["public", "agent"],
            _ => &["public", "agent", "internal"],
        };
        allowed.contains(&made.audience)
            && self
                .department
                .is_none_or(|own| made.department == Some(own))
            && match (self.region, made.region) {
                (None, _) | (_, None) => true,
                (Some(own), Some(listed)) => listed.split('、').any(|name| name == own),
            }
    }

    /// 0 for the public, 3 for administrators.
    pub fn rank(&self) -> usize {
        let roles = ["public", "agent", "editor", "admin"];
        roles
            .iter()
            .position(|role| *role == self.role)
            .unwrap_or(0)
    }
}

pub struct Site {
    pub root: TempDir,
    pub documents: Vec<Made>,
    pub people: Vec<Person>,
}

impl Site {
    /// A corpus with a history, and keys for everybody.
    pub fn new() -> Self {
        Self::with_copies(1)
    }

    /// The same with so many documents of each kind.
    pub fn with_copies(n_copies: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut site = Self {
            root,
            documents: Vec::new(),
            people: Vec::new(),
        };
        site.configure("");
        for department in [Some(HEALTH), Some(LABOUR), None] {
            for audience in ["public", "agent", "internal"] {
                for region in [None, Some("云溪市"), Some("青石市、望江区")] {
                    for _ in 0..n_copies {
                        site.add(audience, department, region);
                    }
                }
            }
        }
        site.add_history();
        site.add_keys();
        site
    }

    /// Settings on top of limits that no test reaches.
    pub fn configure(&self, settings: &str) {
        let defaults = "[access]\nkey_rate = 1000000\nkey_burst = 1000000\nanonymous_rate = 1000000\n\
                        anonymous_burst = 1000000\nattempts_per_minute = 1000000\n";
        let toml = match settings {
            "" => defaults,
            settings => settings,
        };
        fs::write(self.root.path().join("zhiku.toml"), toml).unwrap();
    }

    fn corpus(&self) -> std::path::PathBuf {
        self.root.path().join("corpus")
    }

    fn text(made: &Made, marker: &str) -> String {
        let mut head = format!(
            "title: 居住证补贴办法{marker}\naudience: {}\ndoc_no: 云{marker}规〔2024〕1号\n\
             keywords: [居住证, {marker}]\nphones: ['{marker}']\n",
            made.audience
        );
        if let Some(region) = made.region {
            head.push_str(&format!("region: {region}\n"));
        }
        // Nearly the same everywhere, so that everything competes and is grouped with everything.
        format!(
            "---\n{head}---\n# 居住证补贴办法{marker}\n\n\
             居住证补贴怎么办理：申请人到{marker}窗口提交身份证和居住证明，工作人员当场核对材料，\
             五个工作日内把补贴发放到社会保障卡。逾期没有收到的，可以拨打便民热线查询办理进度。\n"
        )
    }

    fn add(
        &mut self,
        audience: &'static str,
        department: Option<&'static str>,
        region: Option<&'static str>,
    ) -> usize {
        let n = self.documents.len();
        let marker = marker(n);
        let folder = department.map_or_else(String::new, |name| format!("{name}/"));
        let made = Made {
            id: format!("{folder}{marker}.md"),
            audience,
            department,
            region,
            is_served: true,
            marker,
        };
        self.write(&made.id, &Self::text(&made, &made.marker));
        self.documents.push(made);
        n
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.corpus().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What was there before, and who could see it then.
    fn add_history(&mut self) {
        let removed_public = self.add("public", Some(HEALTH), None);
        let removed_internal = self.add("internal", Some(HEALTH), None);
        let broken = self.add("internal", Some(LABOUR), None);
        // Was internal at first; what it said then has a marker of its own.
        let opened = self.add("public", Some(HEALTH), None);
        let before = Made {
            marker: marker(self.documents.len()),
            audience: "internal",
            is_served: false,
            ..self.documents[opened].clone()
        };
        self.write(&before.id, &Self::text(&before, &before.marker));
        self.documents.push(before);
        // One file with entries for different people.
        let (shown, hidden) = (self.documents.len(), self.documents.len() + 1);
        let mut lines = String::new();
        for (n, audience) in [(shown, "public"), (hidden, "internal")] {
            let marker = marker(n);
            let id = format!("表/{marker}");
            lines.push_str(&format!(
                "{{\"_id\":\"{id}\",\"title\":\"居住证补贴{marker}\",\"audience\":\"{audience}\",\
                 \"department\":\"{HEALTH}\",\"text\":\"居住证补贴怎么办理：到{marker}窗口办理。\"}}\n"
            ));
            self.documents.push(Made {
                id,
                marker,
                audience,
                department: Some(HEALTH),
                region: None,
                is_served: true,
            });
        }
        self.write("市医保局/表.jsonl", &lines);
        self.run(&["index"]);

        self.write(
            &self.documents[opened].id.clone(),
            &Self::text(
                &self.documents[opened],
                &self.documents[opened].marker.clone(),
            ),
        );
        for gone in [removed_public, removed_internal] {
            fs::remove_file(self.corpus().join(&self.documents[gone].id)).unwrap();
            self.documents[gone].is_served = false;
        }
        let id = self.documents[broken].id.clone();
        let marker = self.documents[broken].marker.clone();
        self.write(
            &id,
            &format!("---\naudience: {marker}\ntitle: [\n---\n坏了{marker}\n"),
        );
        self.run(&["index"]);
    }

    fn add_keys(&mut self) {
        for (name, role, department, region) in [
            ("public", "public", None, None),
            ("agent", "agent", None, None),
            ("editor", "editor", None, None),
            ("admin", "admin", None, None),
            ("public of a region", "public", None, Some("云溪市")),
            ("agent of a department", "agent", Some(HEALTH), None),
            ("agent of a region", "agent", None, Some("望江区")),
            ("editor of a department", "editor", Some(LABOUR), None),
            (
                "admin of a department",
                "admin",
                Some(HEALTH),
                Some("云溪市"),
            ),
        ] {
            let token = self.create_key(role, department, region);
            self.people.push(Person {
                name,
                role,
                department,
                region,
                token: Some(token),
            });
        }
        self.people.push(Person {
            name: "nobody",
            role: "none",
            department: None,
            region: None,
            token: None,
        });
    }

    pub fn create_key(&self, role: &str, department: Option<&str>, region: Option<&str>) -> String {
        let mut arguments = vec!["keys", "create", "--role", role, "--json"];
        for (flag, value) in [("--department", department), ("--region", region)] {
            arguments.extend(value.into_iter().flat_map(|value| [flag, value]));
        }
        let made = self.run(&arguments);
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn person(&self, name: &str) -> &Person {
        self.people
            .iter()
            .find(|person| person.name == name)
            .unwrap()
    }

    /// Runs a command that must succeed.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    pub fn try_run(&self, arguments: &[&str]) -> Output {
        zhiku(self.root.path()).args(arguments).output().unwrap()
    }

    pub fn access_path(&self) -> std::path::PathBuf {
        self.root.path().join("index/access.sqlite")
    }
}

pub fn zhiku(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiku"));
    command
        .current_dir(root)
        .env("ZHIKU_LOG__LEVEL", "debug,tantivy=error")
        .stdin(Stdio::null());
    command
}
