use super::*;
use jiff::civil::date;

fn read(text: &str) -> Layer {
    observe(&Extract {
        text: text.to_owned(),
        ..Extract::default()
    })
}

const NOTICE: &str = "云溪市人民政府办公室文件\n云府办规〔2024〕13号\n云溪市人民政府办公室关于印发\n云溪市公共自行车管理办法的通知\n\
    各区人民政府，市政府各部门：\n《云溪市公共自行车管理办法》已经市政府同意，现印发给你们。\n云溪市人民政府办公室\n2024年7月26日\n\
    云溪市公共自行车管理办法\n第一章 总则\n第一条 根据《云溪省公共交通条例》和《关于绿色出行的意见》（云府〔2018〕19号），制定本办法。\n\
    第二条 本办法适用于全市。\n第三条 咨询电话：0599-1234567。\n第四条 本办法自印发之日起施行，有效期5\n年。《云溪市公共自行车管理暂行办\n法》（云府办规〔2019〕4号）、《云溪市租车规定》同时废止。";

#[test]
fn an_official_notice_is_read_whole() {
    let layer = read(NOTICE);
    assert_eq!(
        layer.title.as_deref(),
        Some("云溪市人民政府办公室关于印发云溪市公共自行车管理办法的通知")
    );
    let fields = layer.fields;
    assert_eq!(fields.doc_no.as_deref(), Some("云府办规〔2024〕13号"));
    assert_eq!(fields.issuer.as_deref(), Some("云溪市人民政府办公室"));
    assert_eq!(fields.published_at, Some(date(2024, 7, 26)));
    assert_eq!(fields.effective_from, Some(date(2024, 7, 26)));
    assert_eq!(fields.effective_to, Some(date(2029, 7, 25)));
    assert_eq!(fields.replaces, ["云府办规〔2019〕4号", "云溪市租车规定"]);
    assert_eq!(fields.kind, Some(crate::document::Kind::Policy));
    assert_eq!(fields.phones, ["0599-1234567"]);
    assert_eq!(fields.status, None);
}

#[test]
fn labels_win_over_the_running_text() {
    let layer = read(
        "文　　号：云残联〔2019〕2 号\n实施日期：\n2019年02月01日\n失效日期： 2024-01-31\n发布机关：云溪市残疾人联合会\n文件状态：已废止\n\
         辅助器具办法\n第一条 本办法自2020年1月1日起施行，有效期三年。",
    );
    let fields = layer.fields;
    assert_eq!(fields.doc_no.as_deref(), Some("云残联〔2019〕2号"));
    assert_eq!(fields.effective_from, Some(date(2019, 2, 1)));
    assert_eq!(fields.effective_to, Some(date(2024, 1, 31)));
    assert_eq!(fields.issuer.as_deref(), Some("云溪市残疾人联合会"));
    assert_eq!(fields.status, Some(Validity::Repealed));
}

#[test]
fn what_is_only_cited_is_not_taken() {
    let fields = read(
        "关于做好防汛工作的提醒\n根据《云溪市防汛条例》（云府〔2018〕19号）的规定，请注意安全。\n\
         《云溪市防洪法》自2016年1月1日起施行。居住证有效期为一年。该规定已于去年废止。",
    )
    .fields;
    assert_eq!(
        (fields.doc_no, fields.effective_from, fields.effective_to),
        (None, None, None)
    );
    assert_eq!(fields.replaces, Vec::<String>::new());
    assert_eq!(fields.published_at, None);
}

#[test]
fn orders_and_laws() {
    let fields = read("云溪市人民政府令\n第 179 号\n《云溪市优待办法》已经通过，现予公布，自2021年5月1日起施行。\n云溪市老年人优待办法\n第一条 甲。\n第二条 乙。\n第三条 丙。").fields;
    assert_eq!(fields.doc_no.as_deref(), Some("云溪市人民政府令第179号"));
    assert_eq!(fields.issuer.as_deref(), Some("云溪市人民政府"));
    assert_eq!(fields.effective_from, Some(date(2021, 5, 1)));
    assert_eq!(fields.kind, Some(crate::document::Kind::Regulation));
    let fields = read("登记管理条例\n（2021年7月27日云溪省人民政府令第746号公布）\n第一条 为了规范。\n第二条 乙。\n第三条 本条例自二〇二二年三月一日起施行。").fields;
    assert_eq!(fields.doc_no.as_deref(), Some("云溪省人民政府令第746号"));
    assert_eq!(fields.published_at, Some(date(2021, 7, 27)));
    assert_eq!(fields.effective_from, Some(date(2022, 3, 1)));
}

#[test]
fn periods_in_their_usual_wordings() {
    let period = |text: &str| {
        let fields = read(text).fields;
        (fields.effective_from, fields.effective_to)
    };
    let from = Some(date(2024, 1, 1));
    assert_eq!(
        period("本通知自2024年1月1日起执行，有效期至2027年12月31日。"),
        (from, Some(date(2027, 12, 31)))
    );
    assert_eq!(
        period("本方案自2024年1月1日起试行，试行期6个月。"),
        (from, Some(date(2024, 6, 30)))
    );
    assert_eq!(
        period("本办法自2024年1月1日实施，有效期5年。"),
        (from, Some(date(2028, 12, 31)))
    );
    assert_eq!(
        period("成文日期：2023-12-02\n本办法自发布之日起30日后施行。"),
        (from, None)
    );
    assert_eq!(period("本办法自发布之日起施行。"), (None, None));
}

#[test]
fn titles() {
    let titled = |title: &str, text: &str| {
        observe(&Extract {
            title: Some(title.to_owned()),
            text: text.to_owned(),
            ..Extract::default()
        })
        .title
    };
    assert_eq!(
        titled(
            "失业保险问答 - 云溪市人民政府门户网站",
            "失业保险问答\n正文。"
        )
        .as_deref(),
        Some("失业保险问答")
    );
    assert_eq!(
        titled("Microsoft Word - 1.doc", "关于放假的通知\n正文。").as_deref(),
        Some("关于放假的通知")
    );
    assert_eq!(read("").title, None);
}

#[test]
fn a_repealed_rule_says_so_at_its_head() {
    assert_eq!(
        read("云溪市停车办法（已废止）\n第一条 甲。").fields.status,
        Some(Validity::Repealed)
    );
    assert_eq!(
        read("停车办法\n【失效】\n第一条 甲。").fields.status,
        Some(Validity::Expired)
    );
    assert_eq!(
        read("不限\n现行有效\n已失效\n停车办法\n第一条 甲。")
            .fields
            .status,
        None
    );
}
