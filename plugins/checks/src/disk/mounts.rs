//! `/proc/self/mounts`: what is mounted where (fstab(5)).

/// One mounted file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) point: String,
    pub(super) fstype: String,
}

/// Reads the table. A later mount on the same point hides the earlier.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ').map(unescape);
        let (Some(device), Some(point), Some(fstype)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        mounts.retain(|mount| mount.point != point);
        mounts.push(Mount { device, point, fstype });
    }
    mounts
}

/// The mount a path lies in: the longest mount point that begins it.
pub(super) fn holding<'m>(mounts: &'m [Mount], path: &str) -> Option<&'m Mount> {
    let inside = |mount: &&Mount| {
        let point = mount.point.trim_end_matches('/');
        path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(inside).max_by_key(|mount| mount.point.len())
}

/// Space, tab, newline and backslash stand as three octal digits.
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) if code.is_ascii() => {
                out.push(code as char);
                rest = &rest[at + 4..];
            }
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "/dev/sda1 / ext4 rw,relatime 0 0\n\
                         tmpfs /srv tmpfs rw 0 0\n\
                         /dev/sdb1 /srv xfs rw 0 0\n\
                         //nas/a\\040b /mnt/a\\040b\\134c cifs rw 0 0\n\
                         broken\n";

    #[test]
    fn the_table_is_read_and_later_mounts_win() {
        let mounts = parse(TABLE);
        let shown: Vec<String> =
            mounts.iter().map(|mount| format!("{} {} {}", mount.device, mount.point, mount.fstype)).collect();
        assert_eq!(shown, ["/dev/sda1 / ext4", "/dev/sdb1 /srv xfs", "//nas/a b /mnt/a b\\c cifs"]);
    }

    #[test]
    fn a_path_lies_in_its_nearest_mount() {
        let mounts = parse(TABLE);
        for (path, device) in
            [("/", "/dev/sda1"), ("/srv", "/dev/sdb1"), ("/srv/x", "/dev/sdb1"), ("/srvx", "/dev/sda1")]
        {
            assert_eq!(holding(&mounts, path).unwrap().device, device, "{path}");
        }
    }
}
