"""System call numbers on the processors that the seccomp filter supports, from the kernel's unistd.h.

`audit` is the value by which a filter identifies the architecture (AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 in
linux/audit.h).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """The system call interface of one processor architecture."""

    audit: int
    numbers: dict[str, int]


_X86_64 = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440, "kcmp": 312,
    "pidfd_getfd": 438, "pidfd_send_signal": 424, "perf_event_open": 298, "bpf": 321, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "keyctl": 250, "add_key": 248,
    "request_key": 249, "mount": 165, "umount2": 166, "mount_setattr": 442, "move_mount": 429, "open_tree": 428,
    "fsopen": 430, "fsmount": 432, "fsconfig": 431, "fspick": 433, "pivot_root": 155, "chroot": 161, "unshare": 272,
    "setns": 308, "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246,
    "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "quotactl": 179,
    "quotactl_fd": 443, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "syslog": 103, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "mknod": 133, "mknodat": 259, "vhangup": 153, "move_pages": 279, "migrate_pages": 256,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93, "lchown": 94,
    "fchownat": 260, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "removexattr": 197,
    "lremovexattr": 198, "fremovexattr": 199, "removexattrat": 466, "prlimit64": 302, "socket": 41, "listen": 50,
    "execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "clone": 56, "clone3": 435, "kill": 62, "tkill": 200,
    "tgkill": 234, "rt_sigqueueinfo": 129, "memfd_secret": 447, "fanotify_init": 300,
}  # fmt: skip
_AARCH64 = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "process_madvise": 440, "kcmp": 272,
    "pidfd_getfd": 438, "pidfd_send_signal": 424, "perf_event_open": 241, "bpf": 280, "userfaultfd": 282,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "keyctl": 219, "add_key": 217,
    "request_key": 218, "mount": 40, "umount2": 39, "mount_setattr": 442, "move_mount": 429, "open_tree": 428,
    "fsopen": 430, "fsmount": 432, "fsconfig": 431, "fspick": 433, "pivot_root": 41, "chroot": 51, "unshare": 97,
    "setns": 268, "init_module": 105, "finit_module": 273, "delete_module": 106, "kexec_load": 104,
    "kexec_file_load": 294, "reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89, "quotactl": 60,
    "quotactl_fd": 443, "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266,
    "sethostname": 161, "setdomainname": 162, "syslog": 116, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "mknodat": 33, "vhangup": 58, "move_pages": 239, "migrate_pages": 238, "fchmod": 52, "fchmodat": 53,
    "fchmodat2": 452, "fchown": 55, "fchownat": 54, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "setxattrat": 463,
    "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "removexattrat": 466, "prlimit64": 261, "socket": 198,
    "listen": 201, "execve": 221, "execveat": 281, "clone": 220, "clone3": 435, "kill": 129, "tkill": 130,
    "tgkill": 131, "rt_sigqueueinfo": 138, "memfd_secret": 447, "fanotify_init": 262,
}  # fmt: skip

ARCHITECTURES = {
    "x86_64": Architecture(0xC000_003E, _X86_64),
    "aarch64": Architecture(0xC000_00B7, _AARCH64),
}
"""The supported architectures by the kernel's name (uname -m)."""
