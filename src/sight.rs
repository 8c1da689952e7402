//! What a caller may see: an audience, and the departments and regions that it is limited to.
//!
//! The one rule by which a document passes or does not exist. The index applies it to its columns,
//! whoever holds a document's metadata asks [`Sight::sees`].

use crate::document::{Audience, Metadata, listed};

/// What a caller may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Documents of this audience and below.
    pub audience: Audience,
    /// Of these, the ones in it.
    pub scope: Scope,
}

/// Departments and regions that somebody is limited to. An empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    departments: Vec<String>,
    regions: Vec<String>,
}

impl Sight {
    /// Everything of an audience, wherever it is from.
    pub const fn of(audience: Audience) -> Self {
        Self {
            audience,
            scope: Scope {
                departments: Vec::new(),
                regions: Vec::new(),
            },
        }
    }

    /// Whether a document with these metadata exists for the caller.
    pub fn sees(&self, metadata: &Metadata) -> bool {
        metadata.audience <= self.audience
            && self.scope.has_department(metadata.department.as_deref())
            && self.scope.has_region(metadata.region.as_deref())
    }

    /// Whether every document exists for the caller.
    pub fn is_unlimited(&self) -> bool {
        self.audience == Audience::Internal && self.scope.is_everything()
    }

    /// Whether whoever has the other sight sees nothing that this one does not.
    pub fn includes(&self, other: &Self) -> bool {
        let includes = |own: &[String], others: &[String]| {
            own.is_empty() || (!others.is_empty() && others.iter().all(|name| own.contains(name)))
        };
        other.audience <= self.audience
            && includes(&self.scope.departments, &other.scope.departments)
            && includes(&self.scope.regions, &other.scope.regions)
    }
}

impl From<Audience> for Sight {
    fn from(audience: Audience) -> Self {
        Self::of(audience)
    }
}

impl Scope {
    /// These departments (归口部门) and regions (适用地区), in any order, by their exact names.
    pub fn new(
        departments: impl IntoIterator<Item = String>,
        regions: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            departments: in_order(departments),
            regions: in_order(regions),
        }
    }

    /// Ascending, each once.
    pub fn departments(&self) -> &[String] {
        &self.departments
    }

    /// Ascending, each once.
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.departments.is_empty() && self.regions.is_empty()
    }

    /// Whether a document of this department passes. One that names none is nobody's: it passes
    /// only where departments do not count.
    pub fn has_department(&self, department: Option<&str>) -> bool {
        self.departments.is_empty()
            || department.is_some_and(|name| self.departments.iter().any(|own| own == name))
    }

    /// Whether a document of this region passes: one of several listed is enough, and one that names
    /// none is a rule for everywhere.
    pub fn has_region(&self, region: Option<&str>) -> bool {
        self.regions.is_empty()
            || region.is_none_or(|list| {
                listed(list).next().is_none()
                    || listed(list).any(|name| self.regions.iter().any(|own| own == name))
            })
    }
}

fn in_order(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(departments: &[&str], regions: &[&str]) -> Scope {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        Scope::new(owned(departments), owned(regions))
    }

    fn document(audience: Audience, department: Option<&str>, region: Option<&str>) -> Metadata {
        Metadata {
            audience,
            department: department.map(str::to_owned),
            region: region.map(str::to_owned),
            ..Metadata::default()
        }
    }

    #[test]
    fn audience_department_and_region_all_count() {
        let sight = Sight {
            audience: Audience::Agent,
            scope: scope(&["市医保局", "市人社局", "市医保局"], &["望江区"]),
        };
        assert_eq!(sight.scope.departments(), ["市人社局", "市医保局"]);
        for (audience, department, region, expected) in [
            (Audience::Agent, Some("市人社局"), Some("望江区"), true),
            (
                Audience::Public,
                Some("市医保局"),
                Some("云溪市、望江区"),
                true,
            ),
            (Audience::Public, Some("市医保局"), None, true),
            (Audience::Public, Some("市医保局"), Some("、"), true),
            (Audience::Internal, Some("市人社局"), Some("望江区"), false),
            (Audience::Agent, Some("市人社"), Some("望江区"), false),
            (Audience::Agent, None, Some("望江区"), false),
            (Audience::Agent, Some("市人社局"), Some("青石市"), false),
        ] {
            let metadata = document(audience, department, region);
            assert_eq!(
                sight.sees(&metadata),
                expected,
                "{audience} {department:?} {region:?}"
            );
            assert!(Sight::of(Audience::Internal).sees(&metadata));
        }
    }

    #[test]
    fn one_sight_includes_another() {
        let sight = |audience, departments: &[&str], regions: &[&str]| Sight {
            audience,
            scope: scope(departments, regions),
        };
        let agent = sight(Audience::Agent, &["a", "b"], &[]);
        assert!(agent.includes(&agent));
        assert!(agent.includes(&sight(Audience::Public, &["b"], &["r"])));
        assert!(!agent.includes(&Sight::of(Audience::Public)));
        assert!(!agent.includes(&sight(Audience::Internal, &["a"], &[])));
        assert!(!agent.includes(&sight(Audience::Agent, &["a", "c"], &[])));
        assert!(Sight::of(Audience::Internal).includes(&agent));
        assert!(Sight::of(Audience::Internal).is_unlimited() && !agent.is_unlimited());
    }
}
