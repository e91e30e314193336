//! After everything: nothing.

use testcelery::{Docker, prelude::*};
