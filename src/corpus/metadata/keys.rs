//! The names under which metadata is stated, in files by editors and in the headers of tables.

/// One thing that can be stated about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 编号
    Id,
    /// 标题
    Title,
    /// 类型
    Kind,
    /// 发文字号
    DocNo,
    /// 发文机关
    Issuer,
    /// 归口部门
    Department,
    /// 适用地区
    Region,
    /// 层级
    Level,
    /// 公开范围
    Audience,
    /// 三维分类, a mapping of the three below
    Topics,
    /// 问题分类
    QuestionTopics,
    /// 业务分类
    BusinessTopics,
    /// 对象分类
    ObjectTopics,
    /// 施行日期
    EffectiveFrom,
    /// 有效期至
    EffectiveTo,
    /// 时效性
    Status,
    /// 替代文件
    Replaces,
    /// 发布日期
    PublishedAt,
    /// 关键词
    Keywords,
    /// 相似问
    SimilarQuestions,
    /// 联系电话
    Phones,
    /// 来源网址
    SourceUrl,
}

/// Every field with its names: the key first, then what headers of tables call it.
const NAMES: &[(Field, &[&str])] = &[
    (
        Field::Id,
        &[
            "id",
            "_id",
            "编号",
            "知识编号",
            "条目编号",
            "知识id",
            "唯一标识",
        ],
    ),
    (
        Field::Title,
        &[
            "title",
            "标题",
            "名称",
            "文件名称",
            "文档标题",
            "政策名称",
            "文件标题",
        ],
    ),
    (
        Field::Kind,
        &["kind", "type", "类型", "知识类型", "文档类型", "文件类型"],
    ),
    (
        Field::DocNo,
        &["doc_no", "发文字号", "文号", "文件编号", "文件号", "发文号"],
    ),
    (
        Field::Issuer,
        &[
            "issuer",
            "发文机关",
            "发布机关",
            "发文单位",
            "发布机构",
            "制定机关",
            "发布单位",
        ],
    ),
    (
        Field::Department,
        &[
            "department",
            "dept",
            "归口部门",
            "部门",
            "责任部门",
            "主管部门",
            "归口单位",
            "责任单位",
            "承办单位",
            "业务部门",
        ],
    ),
    (
        Field::Region,
        &[
            "region",
            "area",
            "地区",
            "适用地区",
            "区域",
            "适用区域",
            "适用范围",
        ],
    ),
    (Field::Level, &["level", "层级", "效力层级", "级别"]),
    (
        Field::Audience,
        &["audience", "公开范围", "可见范围", "公开属性", "公开级别"],
    ),
    (Field::Topics, &["topics"]),
    (
        Field::QuestionTopics,
        &["topics.question", "问题分类", "问题类型", "诉求类型"],
    ),
    (
        Field::BusinessTopics,
        &[
            "topics.business",
            "category",
            "业务分类",
            "业务类型",
            "分类",
            "类别",
            "业务类别",
            "所属业务",
        ],
    ),
    (
        Field::ObjectTopics,
        &[
            "topics.object",
            "对象分类",
            "服务对象",
            "对象",
            "适用对象",
            "人群分类",
        ],
    ),
    (
        Field::EffectiveFrom,
        &[
            "effective_from",
            "生效日期",
            "施行日期",
            "实施日期",
            "生效时间",
            "启用日期",
            "有效期起",
        ],
    ),
    (
        Field::EffectiveTo,
        &[
            "effective_to",
            "失效日期",
            "有效期至",
            "有效期止",
            "失效时间",
            "截止日期",
            "有效截止日期",
        ],
    ),
    (
        Field::Status,
        &[
            "status",
            "validity",
            "时效性",
            "状态",
            "有效性",
            "文件状态",
            "时效状态",
        ],
    ),
    (
        Field::Replaces,
        &[
            "replaces",
            "替代文件",
            "替代",
            "废止文件",
            "同时废止",
            "代替",
        ],
    ),
    (
        Field::PublishedAt,
        &[
            "published_at",
            "date",
            "发布日期",
            "发布时间",
            "成文日期",
            "印发日期",
            "发文日期",
        ],
    ),
    (
        Field::Keywords,
        &["keywords", "tags", "关键词", "关键字", "标签", "主题词"],
    ),
    (
        Field::SimilarQuestions,
        &[
            "similar_questions",
            "variants",
            "相似问",
            "相似问题",
            "相似问法",
            "同义问",
            "扩展问",
            "其他问法",
            "相似问句",
        ],
    ),
    (
        Field::Phones,
        &[
            "phones",
            "phone",
            "电话",
            "联系电话",
            "咨询电话",
            "办公电话",
            "联系方式",
        ],
    ),
    (
        Field::SourceUrl,
        &[
            "source_url",
            "url",
            "来源网址",
            "来源链接",
            "原文链接",
            "链接",
            "网址",
            "出处链接",
        ],
    ),
];

impl Field {
    /// The field that `name` stands for: a key or a usual column header, blanks and case aside.
    pub fn named(name: &str) -> Option<Field> {
        let plain = plain_name(name);
        NAMES
            .iter()
            .find(|(_, names)| names.contains(&plain.as_str()))
            .map(|&(field, _)| field)
    }

    /// The key that `interface` and messages use.
    pub fn key(self) -> &'static str {
        NAMES
            .iter()
            .find(|&&(field, _)| field == self)
            .and_then(|(_, names)| names.first())
            .copied()
            .unwrap_or("")
    }
}

/// A header without blanks, a closing bracketed remark and colons, in lower case.
pub(crate) fn plain_name(name: &str) -> String {
    let bare = name
        .split(['（', '(', '【', '['])
        .next()
        .filter(|head| !head.trim().is_empty())
        .unwrap_or(name);
    let solid = bare
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, ':' | '：' | '*' | '\u{feff}'));
    solid.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_headers_name_the_same_field() {
        for name in [
            "doc_no",
            "发文字号",
            " 文 号：",
            "Doc_No",
            "发文字号（必填）",
        ] {
            assert_eq!(Field::named(name), Some(Field::DocNo), "{name}");
        }
        assert_eq!(Field::named("颜色"), None);
        assert_eq!(Field::named(""), None);
    }

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut names: Vec<&str> = NAMES
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let n_names = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n_names);
        assert_eq!(Field::EffectiveTo.key(), "effective_to");
    }
}
