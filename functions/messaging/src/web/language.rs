//! In which language a page speaks.

/// Those that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Language {
    #[default]
    English,
    Russian,
    Ukrainian,
}

impl Language {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::Ukrainian => "uk",
        }
    }

    /// The language of a tag such as `uk-UA`.
    pub(crate) fn of(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "ru" => Some(Self::Russian),
            "uk" => Some(Self::Ukrainian),
            _ => None,
        }
    }

    /// The one of ours that an `Accept-Language` wants most; of equals the first.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let wanted = header.split(',').filter_map(|part| {
            let (tag, weight) = part.split_once(';').map_or((part, None), |(tag, rest)| (tag, Some(rest)));
            let weight = weight.and_then(|rest| rest.trim().strip_prefix("q="));
            let weight: f32 = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok())?;
            (weight > 0.0).then_some((weight, Self::of(tag)?))
        });
        let better = |best: Option<(f32, Self)>, one: (f32, Self)| match best {
            Some(best) if best.0 >= one.0 => Some(best),
            Some(_) | None => Some(one),
        };
        wanted.fold(None, better).map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Option<Language>) {
        assert_eq!(Language::accepted(header), expected, "{header:?}");
    }

    #[test]
    fn a_page_speaks_what_its_reader_wants_most_of_what_it_can() {
        check("uk-UA,uk;q=0.9,ru;q=0.8,en;q=0.7", Some(Language::Ukrainian));
        check("de-DE, ru;q=0.5, en;q=0.8", Some(Language::English));
        check("RU", Some(Language::Russian));
        check("en;q=0, ru;q=0.1", Some(Language::Russian));
        check("de, *", None);
        check("", None);
        check(";;q=,en;q=x,,", None);
    }
}
