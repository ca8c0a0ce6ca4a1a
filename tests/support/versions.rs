//! Scenarios at the server versions between which messages change their form.

/// Makes tests of functions that take a server version: text of 157 and 176, the last version that is all text, the
/// first one with protobuf among it, orders (203), market data and history (208) and everything (213) in protobuf, and
/// the newest.
macro_rules! at_versions {
    ($($scenario:ident),* $(,)?) => { $(
        mod $scenario {
            at_versions!(@ $scenario v157 157, v176 176, v200 200, v201 201, v203 203, v208 208, v213 213, v226 226);
        }
    )* };
    (@ $scenario:ident $($name:ident $version:literal),*) => { $(
        #[test]
        fn $name() {
            super::$scenario($version);
        }
    )* };
}
