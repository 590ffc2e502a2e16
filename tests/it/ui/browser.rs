use std::process::{Command, Stdio};

use crate::support::{Cluster, Reply};

/// Somebody at a browser, without its scripts.
pub struct Browser {
    host: String,
    cookie: Option<String>,
    form_token: String,
}

impl Reply {
    /// The value of the first hidden field with this name.
    pub fn value(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&field).unwrap_or_else(|| panic!("{name}: {self:#?}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub fn of(cluster: &Cluster) -> Self {
        let host = cluster.first.address.clone();
        Self { host, cookie: None, form_token: String::new() }
    }

    /// A user who came with the cluster, signed in.
    pub fn signed_in(cluster: &Cluster, user: &str) -> Self {
        let mut browser = Self::of(cluster);
        let password = cluster.secret(match user {
            "admin" => "adminconsole_root_password",
            _ => "adminconsole_readonly_password",
        });
        let reply = browser.sign_in(user, &password);
        assert_eq!(reply.status, 303, "{reply:#?}");
        browser
    }

    pub fn sign_in(&mut self, user: &str, password: &str) -> Reply {
        let reply = self.post("/sign-in", &[("user", user), ("password", password)]);
        self.take_cookie(&reply);
        reply
    }

    /// Keeps the cookie that a reply sets, and what its pages send with forms.
    pub fn take_cookie(&mut self, reply: &Reply) {
        let Some(set) = reply.headers.get("set-cookie") else { return };
        self.cookie = set.split(';').next().map(str::to_owned);
        let page = self.get("/hosts");
        self.form_token = if page.status == 200 { page.value("form_token") } else { String::new() };
    }

    pub fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or_default()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}:12443{path}", self.host)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.asked(&[], path)
    }

    pub fn plain(&self, scheme: &str, port: u16, path: &str) -> Reply {
        Reply::to(&[&format!("{scheme}://{}:{port}{path}", self.host)])
    }

    /// Asks with these arguments for curl too.
    pub fn asked(&self, more: &[&str], path: &str) -> Reply {
        let (url, cookie) = (self.url(path), format!("Cookie: {}", self.cookie()));
        let mut arguments = vec!["--output", "-", "-H", &cookie];
        arguments.extend(more);
        arguments.push(&url);
        Reply::to(&arguments)
    }

    /// Sends a form as its page does.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut all = vec![("form_token", self.form_token.as_str())];
        all.extend(fields);
        self.post_from(&self.url(""), path, &all)
    }

    /// Sends a form as a page of another origin would.
    pub fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let origin = format!("Origin: {origin}");
        let fields: Vec<String> = fields.iter().map(|(name, it)| format!("{name}={it}")).collect();
        let mut arguments = vec!["-X", "POST", "-H", &origin];
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.asked(&arguments, path)
    }

    /// What changes, as it comes.
    pub fn stream(&self, path: &str) -> std::process::Child {
        let cookie = format!("Cookie: {}", self.cookie());
        let mut curl = Command::new("curl");
        curl.args(["-s", "-k", "-N", "--max-time", "60", "-H", &cookie, &self.url(path)]);
        curl.stdout(Stdio::piped()).spawn().unwrap()
    }
}
