//! Every limit, named and explained. A number that bounds a queue, map, buffer or wait stands here and nowhere
//! else.

use std::time::Duration;

/// Largest frame accepted from either side, bytes of payload. The official clients refuse more than 0xFFFFFF.
pub const MAX_FRAME: usize = 0x00FF_FFFF;
/// Largest frame accepted from a client before startApi; a greeting is a few dozen bytes.
pub const MAX_GREETING: usize = 4096;
