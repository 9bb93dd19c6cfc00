//! Each value is written for its place.

use serde_json::{Value, json};

use super::{html, mistakes, nobody};

fn with(value: &str) -> Value {
    json!({ "message": { "x": value } })
}

fn check(source: &str, value: &str, expected: &str) {
    assert_eq!(html(source, with(value)), expected, "{source} with {value:?}");
}

fn refused(source: &str, value: &str, reason: &str) {
    let made = html(source, with(value));
    assert!(made.starts_with("en.email.html:1:") && made.contains(reason), "{source} with {value:?}: {made}");
}

fn unsaved(source: &str, reason: &str) {
    let mistakes = mistakes(source);
    assert!(mistakes.contains(reason), "{source}: {mistakes:?}");
}

#[test]
fn text_and_quoted_attributes_are_escaped() {
    let escaped = "&lt;b&gt; &amp; &quot; &#39; {{ 7 }}";
    check("<p>{{ message.x }}</p>", "<b> & \" ' {{ 7 }}", &format!("<p>{escaped}</p>"));
    check("<p title=\"{{ message.x }}\">", "<b> & \" ' {{ 7 }}", &format!("<p title=\"{escaped}\">"));
    check("<p title='{{ message.x }}'>", "<b> & \" ' {{ 7 }}", &format!("<p title='{escaped}'>"));
    check(
        "<title>{{ message.x }}</title>{{ message.x }}",
        "</title>",
        "<title>&lt;/title&gt;</title>&lt;/title&gt;",
    );
    check("<!-- {{ message.x }} -->", "-->", "<!-- --&gt; -->");
    check("{{ message.x | raw }}", "<b>", "<b>");
    check("{{ message.x }}", "a\u{0}\u{1b}b", "ab");
}

#[test]
fn a_part_of_an_address_is_percent_encoded() {
    check(
        "<a href=\"https://x.example/{{ message.x }}\">",
        "a b/&?é",
        "<a href=\"https://x.example/a%20b%2F%26%3F%C3%A9\">",
    );
    check("<a href='mailto:{{ message.x }}'>", "a@b", "<a href='mailto:a%40b'>");
    check(
        "<a href=\"https://x.example/?q={{ message.x | url_encode }}\">",
        "a b",
        "<a href=\"https://x.example/?q=a%20b\">",
    );
}

#[test]
fn a_whole_address_must_be_one_that_may_be_followed() {
    let whole = "<a href=\"{{ message.x }}\">";
    check(whole, "https://x.example/?a=1&b=\u{27}", "<a href=\"https://x.example/?a=1&amp;b=&#39;\">");
    check(whole, "tel:+380441234567", "<a href=\"tel:+380441234567\">");
    check(whole, "HTTPS://x.example/a b", "<a href=\"HTTPS://x.example/a%20b\">");
    for hostile in [
        "javascript:alert(1)",
        "java\nscript:1",
        " jAvascript:1",
        "data:text/html,x",
        "//x.example",
        "x",
        "https:/\\x",
        "",
    ] {
        refused(whole, hostile, "no link");
    }
    refused("<img src=\"{{ message.x }}\">", "mailto:a@b", "no link");
    check(
        "<a href=\"{% if message.x %}{{ message.x }}{% else %}https://y.example{% endif %}\">",
        "https://x.example",
        "<a href=\"https://x.example\">",
    );
}

#[test]
fn a_style_takes_colours_and_sizes() {
    check("<p style=\"color:{{ message.x }}\">", "#aa0000", "<p style=\"color:#aa0000\">");
    for hostile in ["red;background:url(x)", "url(https://x)", "expression(1)", "/**/", "\\75rl"] {
        refused("<p style=\"color:{{ message.x }}\">", hostile, "a style");
    }
}

#[test]
fn where_nothing_can_be_escaped_no_value_is_saved() {
    unsaved("<script>{{ message.x }}</script>", "a value in <script>");
    unsaved("<style>p { color: {{ message.x }} }</style>", "a value in <style>");
    unsaved("<STYLE>a</STYL>{{ message.x }}</style>", "a value in <style>");
    unsaved("<a href={{ message.x }}>", "without quotes");
    unsaved("<a title=a{{ message.x }}>", "without quotes");
    unsaved("<{{ message.x }}>", "names of a tag");
    unsaved("<a {{ message.x }}>", "names of a tag");
    unsaved("<a da{{ message.x }}=\"\">", "name of an attribute");
    unsaved("<a onclick=\"{{ message.x }}\">", "data must not reach");
    unsaved("<img srcset=\"{{ message.x }}\">", "data must not reach");
    unsaved("<meta content=\"{{ message.x }}\">", "data must not reach");
    unsaved("<a href=\"{{ message.x }}/y\">", "begins with a value");
    unsaved("<a href=\"{{ message.x }}{{ message.x }}\">", "begins with a value");
    unsaved("<a href=\"javascript:{{ message.x }}\">", "does not begin with");
    unsaved("<a href=\"/{{ message.x }}\">", "does not begin with");
    unsaved("<svg><title>x</title></svg>", "<svg>");
}

#[test]
fn comments_and_scripts_end_where_browsers_end_them() {
    check("<!--><p title=\"{{ message.x }}\">", "\"", "<!--><p title=\"&quot;\">");
    check("<!-- a > b --!><i title='{{ message.x }}'>", "'", "<!-- a > b --!><i title='&#39;'>");
    check(
        "<!--[if mso]><a href=\"{{ message.x }}\"><![endif]-->",
        "https://x.example",
        "<!--[if mso]><a href=\"https://x.example\"><![endif]-->",
    );
    check(
        "<!--[if !mso]><!--><a href=\"{{ message.x }}\"><!--<![endif]-->",
        "tel:1",
        "<!--[if !mso]><!--><a href=\"tel:1\"><!--<![endif]-->",
    );
    refused("<!--[if mso]><a href=\"{{ message.x }}\"><![endif]-->", "javascript:1", "no link");
    check(
        "<script>if (a < b) '</scrip>'</script ><p>{{ message.x }}",
        "<",
        "<script>if (a < b) '</scrip>'</script ><p>&lt;",
    );
    check("<a title=\">\">{{ message.x }}", "<", "<a title=\">\">&lt;");
    check("a < b {{ message.x }}", "<", "a < b &lt;");
    check("<!DOCTYPE html><?x y?></ z><p>{{ message.x }}", "<", "<!DOCTYPE html><?x y?></ z><p>&lt;");
}

#[test]
fn branches_and_loops_end_where_they_begin() {
    unsaved("{% if message.x %}<a href=\"{% endif %}", "begins and ends in different places");
    unsaved("{% if message.x %}<a href=\"{% else %}<b>{% endif %}x", "begins and ends in different places");
    unsaved("{% for i in (1..2) %}<a title=\"{% endfor %}", "begins and ends in different places");
    unsaved("{% for i in (1..2) %}<a title=\"{% break %}\">{% endfor %}", "`break` within");
    unsaved("{% case message.x %}{% when 1 %}<a {% endcase %}", "begins and ends in different places");
    unsaved(
        "<!-- {% if message.x %}-{% endif %}-><a href=\"{{ message.x }}\">",
        "begins and ends in different places",
    );
    unsaved("<script>{% if message.x %}</scr{% endif %}", "begins and ends in different places");
    check("<!-- {% if message.x %}a{% endif %} -->", "x", "<!-- a -->");
    unsaved("<scrip{% if message.x %} a{% endif %}t>", "begins and ends in different places");
    unsaved("<a {% if message.x %}href{% endif %} =\"x\">", "begins and ends in different places");
    check(
        "<td {% if message.x %}nowrap{% endif %} title='{{ message.x }}'>",
        "'",
        "<td nowrap title='&#39;'>",
    );
    unsaved("<a title=\"{% render 'x' %}\">", "a snippet within a tag");
    check("<a{% if message.x %} title=\"{{ message.x }}\"{% endif %}>", "\"", "<a title=\"&quot;\">");
    check(
        "<a href=\"https://x.example/?{% for i in (1..2) %}{{ i }}={{ message.x }}&amp;{% endfor %}\">",
        "&",
        "<a href=\"https://x.example/?1=%26&amp;2=%26&amp;\">",
    );
}

#[test]
fn what_is_captured_is_escaped_where_it_is_printed() {
    check(
        "{% capture c %}<i>{{ message.x }}</i>{% endcapture %}<p title=\"{{ c }}\">",
        "\"",
        "<p title=\"&lt;i&gt;&quot;&lt;/i&gt;\">",
    );
    assert!(
        html("{% capture c %}javascript:1{% endcapture %}<a href=\"{{ c }}\">", nobody()).contains("no link")
    );
}
