//! Who could help where no answer is given, and beside one that is.

use crate::retrieval::Hit;

/// The department that the question probably belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandOver {
    /// Whether the citizen should talk to a person now.
    pub suggested: bool,
    /// 归口部门 of the likeliest sources; `None` if nothing points at one.
    pub department: Option<String>,
    /// Its 联系电话, as the sources state them.
    pub phones: Vec<String>,
}

/// Most phone numbers that are named.
const MAX_PHONES: usize = 3;

/// The department of most weight among `hits`, each with how likely it is about the question; ties by name.
pub fn hand_over(hits: &[(&Hit, f32)], suggested: bool) -> HandOver {
    let mut departments: Vec<(&str, f32)> = Vec::new();
    for (hit, weight) in hits {
        let Some(name) = hit.department.as_deref() else {
            continue;
        };
        match departments.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += weight,
            None => departments.push((name, *weight)),
        }
    }
    departments.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let Some((department, _)) = departments.first() else {
        return HandOver {
            suggested,
            ..HandOver::default()
        };
    };
    let mut phones: Vec<String> = Vec::new();
    let of_it = hits
        .iter()
        .filter(|(hit, _)| hit.department.as_deref() == Some(department));
    for phone in of_it.flat_map(|(hit, _)| &hit.phones) {
        if phones.len() < MAX_PHONES && !phones.contains(phone) {
            phones.push(phone.clone());
        }
    }
    HandOver {
        suggested,
        department: Some((*department).to_owned()),
        phones,
    }
}
