//! Method and path to what is asked for.
//!
//! **Invariant:** no path is ever answered by a redirect: SDKs turn the POST
//! into a GET, read 200 and report the event as delivered.

use domain::event::EventKind;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'path> {
    /// Any `OPTIONS`: browsers ask before they send, without a key.
    Preflight,
    /// Events; the kind is that of the path, for bodies that name none.
    Collect(Option<EventKind>),
    /// The SDKs' own telemetry: answered and discarded.
    Telemetry,
    /// What analytics.js and the mobile SDKs read before they send anything.
    Settings {
        key: &'path str,
    },
    /// What `RudderStack`'s SDKs read before they send anything.
    SourceConfig,
    /// An event in the address of an image.
    Pixel(&'path str),
    /// The path exists, the method does not; here is the one that does.
    WrongMethod(&'static str),
    Unknown,
}

impl<'path> Route<'path> {
    /// Finds the route; `/v1`, trailing and duplicate slashes make no difference.
    pub(crate) fn find(method: &str, path: &'path str) -> Self {
        if method == "OPTIONS" {
            return Self::Preflight;
        }
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != "v1");
        let parts: Vec<&str> = parts.take(PARTS_MAX + 1).collect();
        let (route, takes) = match parts.as_slice() {
            ["t" | "track"] => (Self::Collect(Some(EventKind::Track)), "POST"),
            ["i" | "identify"] => (Self::Collect(Some(EventKind::Identify)), "POST"),
            ["p" | "page"] => (Self::Collect(Some(EventKind::Page)), "POST"),
            ["s" | "screen"] => (Self::Collect(Some(EventKind::Screen)), "POST"),
            ["g" | "group"] => (Self::Collect(Some(EventKind::Group)), "POST"),
            ["a" | "alias"] => (Self::Collect(Some(EventKind::Alias)), "POST"),
            ["b" | "batch" | "import"] | ["beacon", "batch"] => (Self::Collect(None), "POST"),
            ["m"] => (Self::Telemetry, "POST"),
            ["projects", key, "settings"] => (Self::Settings { key }, "GET"),
            ["sourceConfig"] => (Self::SourceConfig, "GET"),
            ["pixel", kind] => (Self::Pixel(kind), "GET"),
            _ => return Self::Unknown,
        };
        if method == takes { route } else { Self::WrongMethod(takes) }
    }
}

/// No route has more parts than this.
const PARTS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, paths: &[&str], expected: Route<'_>) {
        for path in paths {
            assert_eq!(Route::find(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn every_kind_has_a_long_and_a_short_path() {
        let kinds = ["track", "identify", "page", "screen", "group", "alias"];
        for name in kinds {
            let expected = Route::Collect(EventKind::parse(name));
            check("POST", &[&format!("/v1/{name}"), &format!("/v1/{}", &name[..1])], expected);
        }
        check("POST", &["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"], Route::Collect(None));
    }

    #[test]
    fn slashes_and_the_version_make_no_difference() {
        let paths = ["/track", "/v1/track", "/track/", "//v1/track", "/v1//track//", "v1/track"];
        check("POST", &paths, Route::Collect(Some(EventKind::Track)));
        check("GET", &["/sourceConfig", "/sourceConfig/", "/v1/sourceConfig"], Route::SourceConfig);
    }

    #[test]
    fn the_gets_are_found() {
        let key = "wk_shop_k1_secret";
        check("GET", &["/v1/projects/wk_shop_k1_secret/settings"], Route::Settings { key });
        check("GET", &["/v1/pixel/page", "/pixel/v1/page"], Route::Pixel("page"));
    }

    #[test]
    fn any_path_can_be_asked_for_before_it_is_sent_to() {
        check("OPTIONS", &["/v1/track", "/nowhere", "/"], Route::Preflight);
    }

    #[test]
    fn telemetry_is_no_event() {
        check("POST", &["/v1/m", "/m"], Route::Telemetry);
    }

    #[test]
    fn what_is_not_ours_is_unknown() {
        check("POST", &["/", "", "/v1", "/v1/profiles", "/v1/Track", "/a/b/c/d/e"], Route::Unknown);
    }

    #[test]
    fn a_wrong_method_names_the_right_one() {
        check("GET", &["/v1/track", "/v1/batch"], Route::WrongMethod("POST"));
        check("POST", &["/sourceConfig/"], Route::WrongMethod("GET"));
    }
}
