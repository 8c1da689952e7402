//! Names of provinces and of cities that people ask about by their bare name.

use super::is_han;

/// In byte order, without 省 and 市.
const PLACES: &[&str] = &[
    "上海",
    "东莞",
    "中国台湾",
    "中山",
    "临沂",
    "乌鲁木齐",
    "云南",
    "佛山",
    "保定",
    "兰州",
    "内蒙古",
    "北京",
    "南京",
    "南宁",
    "南昌",
    "南通",
    "厦门",
    "台州",
    "台湾",
    "合肥",
    "吉林",
    "呼和浩特",
    "哈尔滨",
    "唐山",
    "嘉兴",
    "四川",
    "大同",
    "大连",
    "天津",
    "太原",
    "宁夏",
    "宁德",
    "宁波",
    "安徽",
    "山东",
    "山西",
    "常州",
    "广东",
    "广州",
    "广西",
    "廊坊",
    "徐州",
    "惠州",
    "成都",
    "扬州",
    "新疆",
    "无锡",
    "昆明",
    "杭州",
    "桂林",
    "武汉",
    "汕头",
    "江苏",
    "江西",
    "江门",
    "沈阳",
    "河北",
    "河南",
    "泉州",
    "洛阳",
    "济南",
    "浙江",
    "海南",
    "海口",
    "淄博",
    "深圳",
    "温州",
    "湖北",
    "湖南",
    "湛江",
    "潍坊",
    "澳门",
    "烟台",
    "珠海",
    "甘肃",
    "盐城",
    "石家庄",
    "福州",
    "福建",
    "绍兴",
    "绵阳",
    "肇庆",
    "芜湖",
    "苏州",
    "茂名",
    "襄阳",
    "西宁",
    "西安",
    "西藏",
    "贵州",
    "贵阳",
    "赣州",
    "辽宁",
    "遵义",
    "邯郸",
    "郑州",
    "重庆",
    "金华",
    "银川",
    "镇江",
    "长春",
    "长沙",
    "陕西",
    "青岛",
    "青海",
    "鞍山",
    "香港",
    "黑龙江",
];

/// What names of places end with.
const ENDINGS: &[&str] = &["省", "市", "区", "县", "镇", "乡", "州", "街道"];

/// What ends like a name and names no place: `小区`, `本市`.
const NO_NAMES: &[&str] = &[
    "小区",
    "社区",
    "地区",
    "城区",
    "郊区",
    "辖区",
    "片区",
    "园区",
    "景区",
    "校区",
    "山区",
    "老城区",
    "本市",
    "全市",
    "城市",
    "我市",
    "本区",
    "全区",
    "我区",
    "各区",
    "本省",
    "全省",
    "我省",
    "外省",
    "外市",
    "超市",
    "股市",
    "门市",
    "上市",
    "房市",
    "车市",
    "菜市",
    "本县",
    "全县",
    "各县",
    "城镇",
    "乡镇",
    "村镇",
    "城乡",
    "下乡",
    "家乡",
    "老家",
    "省市",
    "跨省",
    "跨市",
    "开发区",
    "自治区",
    "自治州",
    "直辖市",
    "县级市",
    "农贸市",
    "市区",
    "县区",
    "省级",
    "本街道",
    "高新区",
    "新区",
    "老区",
    "灾区",
    "库区",
    "林区",
    "牧区",
    "疫区",
    "商区",
    "功能区",
    "保护区",
    "住宅区",
    "生活区",
    "工业区",
    "商业区",
    "居民区",
    "服务区",
    "风景区",
    "夜市",
    "早市",
    "集市",
    "楼市",
    "都市",
    "外地",
    "街镇",
    "学区",
];

/// Whether a word, in normal form, names a province, a city, a district or a town.
pub fn is_place_name(word: &str) -> bool {
    if PLACES.binary_search(&word).is_ok() {
        return true;
    }
    let has_ending = ENDINGS.iter().any(|ending| word.ends_with(ending));
    has_ending && word.chars().count() >= 3 && !NO_NAMES.iter().any(|name| word.ends_with(name))
}

/// What a word goes on with after such an ending, so that it was none: `市场`, `区别`.
const GOES_ON: &[char] = &[
    '场', '民', '政', '面', '区', '内', '直', '价', '容', '外', '长', '级', '里', '域', '别', '间',
    '分', '块', '房', '划', '县', '委', '值', '情', '店',
];
/// What stands before a place and is no part of its name.
const NO_PARTS: &[char] = &[
    '的', '在', '到', '我', '你', '是', '和', '本', '全', '各', '哪', '这', '那', '个', '一', '不',
    '有', '去', '来', '住', '把', '上', '下', '跟', '从', '同', '跨', '外', '他', '往', '回', '离',
    '几', '每', '邻', '两',
];

/// The last three characters of names of cities, districts and towns in a text in normal form, in order,
/// whatever words it is cut into: `青石市`.
pub fn place_names(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let chars: Vec<char> = text.chars().collect();
    let mut names = Vec::new();
    for at in 2..chars.len() {
        let is_name = matches!(chars[at], '市' | '区' | '县' | '镇')
            && chars[at - 2..at]
                .iter()
                .all(|c| is_han(*c) && !NO_PARTS.contains(c))
            && !chars.get(at + 1).is_some_and(|next| GOES_ON.contains(next));
        let name = &text[starts[at - 2]..starts[at + 1]];
        if is_name && is_place_name(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_words_that_end_like_them() {
        for (word, expected) in [
            ("深圳", true),
            ("望江区", true),
            ("青石市", true),
            ("云溪市", true),
            ("小区", false),
            ("老旧小区", false),
            ("农贸市场", false),
            ("本市", false),
            ("开发区", false),
            ("礼拜", false),
        ] {
            assert_eq!(is_place_name(word), expected, "{word}");
        }
        assert!(PLACES.is_sorted());
    }

    #[test]
    fn names_are_found_in_running_text() {
        for (text, expected) in [
            ("青石市的退休金几号发", &["青石市"][..]),
            ("我住望江区临湖新区那边", &["望江区"]),
            ("在市区开超市要办什么", &[]),
            ("菜市场摊位怎么租", &[]),
            ("学区房和区别", &[]),
            ("跨市转移", &[]),
        ] {
            assert_eq!(place_names(text), expected, "{text}");
        }
    }
}
