//! Structs of flags, each of which is named once.

/// What a flag was given, if it was.
pub trait FlagValue: Sized {
    fn is_given(&self) -> bool;

    /// This, or what is below it where this was not given.
    fn over(self, below: Self) -> Self {
        if self.is_given() { self } else { below }
    }

    /// The flags that were given, where this is the one of this field.
    fn flags_given(&self, field: &str) -> Vec<String> {
        let flag = || format!("--{}", field.replace('_', "-"));
        self.is_given().then(flag).into_iter().collect()
    }
}

impl<T> FlagValue for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl<T> FlagValue for Vec<T> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

impl FlagValue for bool {
    fn is_given(&self) -> bool {
        *self
    }
}

/// The variable that stands for a flag.
pub(super) fn variable_of(flag: &str) -> String {
    format!("ECE_AGENT_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase())
}

/// Makes a struct of flags, or of structs of them, one value of it.
macro_rules! flags {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$about_flag:meta])* pub $flag:ident: $value:ty,)+
        }
    ) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$about_flag])* pub $flag: $value,)+
        }

        impl $crate::config::flags::FlagValue for $name {
            fn is_given(&self) -> bool {
                $($crate::config::flags::FlagValue::is_given(&self.$flag))||+
            }

            fn over(self, below: Self) -> Self {
                Self { $($flag: $crate::config::flags::FlagValue::over(self.$flag, below.$flag),)+ }
            }

            fn flags_given(&self, _field: &str) -> Vec<String> {
                let given = [$(self.$flag.flags_given(stringify!($flag)),)+];
                given.concat()
            }
        }
    };
}

pub(super) use flags;
