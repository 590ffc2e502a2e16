macro_rules! codes {
    ($($variant:ident $name:literal $exit:ident $cause:literal $fix:literal)*) => {
        /// Every failure an operator can meet. Names are stable; `docs/errors.md` lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($variant),* }

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            pub fn exit(self) -> Exit {
                match self { $(Code::$variant => Exit::$exit),* }
            }

            /// Why it happens, in general; a message has the particulars.
            pub fn cause(self) -> &'static str {
                match self { $(Code::$variant => $cause),* }
            }

            pub fn fix(self) -> &'static str {
                match self { $(Code::$variant => $fix),* }
            }
        }
    };
}

mod table;

pub use table::Code;

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Code::from_name(&name).ok_or_else(|| serde::de::Error::custom("not a known code"))
    }
}

impl Code {
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }
}

#[cfg(test)]
mod tests;
