//! A small disk that can be filled to the last byte.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk of its own, given back at the end.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it; needs root.
    pub fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"])
            .arg(at)
            .output()
            .expect("mount");
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "a small tmpfs must be mounted for this test, which takes root: {said}");
        Self(at.to_owned())
    }

    /// Fills it to the last byte, in a file that can be removed again.
    pub fn fill(&self) {
        let path = self.0.join("somebody-elses-file");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file");
        let block = vec![1; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&[1; 512]).is_ok() {}
    }

    pub fn free(&self) {
        std::fs::remove_file(self.0.join("somebody-elses-file")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
