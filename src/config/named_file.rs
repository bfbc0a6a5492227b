//! Files that the server reads at each use: whether they are there, and who may read them. Advice
//! only, since they may come later, and `check` may be run by somebody else.

use super::findings::Scope;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

/// The bit of a file's mode that lets everybody read it.
const READABLE_BY_OTHERS: u32 = 0o004;

impl Scope<'_> {
    /// Warns of a file that is missing, or of a secret that everybody may read.
    pub(super) fn look_at_file(&mut self, span: &Range<usize>, file: &str, secret: bool) {
        const LATER: &str = "it is read at each use, which will fail";
        match std::fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.warn(span, format!("`{file}`: there is no such file"), LATER);
            }
            Err(error) => self.warn(span, format!("`{file}`: can't look at it: {error}"), LATER),
            Ok(found) if !found.is_file() => self.warn(span, format!("`{file}` is no file"), LATER),
            Ok(found) if secret && found.mode() & READABLE_BY_OTHERS != 0 => {
                let message = format!("`{file}` holds a secret and may be read by everybody on this machine");
                self.warn(span, message, format!("chmod o-rwx {file}"));
            }
            Ok(_) => {}
        }
    }
}
