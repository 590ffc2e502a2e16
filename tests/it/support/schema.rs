use serde_json::Value;

/// ECE's API as data: paths, schemas, codes.
pub struct Contract(Value);

impl Contract {
    pub fn load() -> Self {
        let texts = [
            include_str!("../../contract/ece-platform-api.json"),
            include_str!("../../contract/ece-deployments-api.json"),
        ];
        let [mut all, others] = texts.map(|text| serde_json::from_str::<Value>(text).unwrap());
        for part in ["paths", "definitions"] {
            let others = others[part].as_object().unwrap().clone();
            all[part].as_object_mut().unwrap().extend(others);
        }
        Self(all)
    }

    /// All operations: method and path.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.0["paths"].as_object().unwrap();
        let of = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().unwrap().keys().filter(|it| *it != "parameters");
            methods.map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    /// Holds a reply's body against the schema of an operation's status.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, status: u16, body: &Value) {
        let schema = &self.0["paths"][path][method]["responses"][status.to_string()]["schema"];
        assert!(!schema.is_null(), "{method} {path} does not list {status}");
        self.check_value(schema, body, &format!("{method} {path} {status}"));
    }

    #[track_caller]
    fn check_value(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return self.check_value(&self.0["definitions"][name], value, at);
        }
        if let Some(allowed) = schema["enum"].as_array() {
            assert!(allowed.contains(value), "{at}: {value} is not one of {allowed:?}");
        }
        match schema["type"].as_str() {
            Some("object") => self.check_object(schema, value, at),
            Some("array") => {
                let items = value.as_array().unwrap_or_else(|| panic!("{at}: {value} is no array"));
                for (index, item) in items.iter().enumerate() {
                    self.check_value(&schema["items"], item, &format!("{at}[{index}]"));
                }
            }
            Some("string") => assert!(value.is_string(), "{at}: {value} is no string"),
            Some("boolean") => assert!(value.is_boolean(), "{at}: {value} is no boolean"),
            Some("integer") => {
                let number =
                    value.as_i64().unwrap_or_else(|| panic!("{at}: {value} is no integer"));
                let fits = schema["format"] != "int32" || i32::try_from(number).is_ok();
                assert!(fits, "{at}: {number} is too large");
            }
            Some("number") => assert!(value.is_number(), "{at}: {value} is no number"),
            other => panic!("{at}: a schema of type {other:?}"),
        }
    }

    #[track_caller]
    fn check_object(&self, schema: &Value, value: &Value, at: &str) {
        let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value} is no object"));
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            assert!(object.contains_key(name), "{at}: {name} is missing in {value}");
        }
        for (name, member) in object {
            let known = &schema["properties"][name];
            let known = if known.is_null() { &schema["additionalProperties"] } else { known };
            if known.is_object() {
                self.check_value(known, member, &format!("{at}.{name}"));
            }
        }
    }
}
