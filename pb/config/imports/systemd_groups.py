"""Keys of unit files that are told as one: what systemd does around a service, and pb does not."""

from __future__ import annotations

import re

GROUPED = {
    "sandbox": "pb does not sandbox: it has no root to do so",
    "condition": "pb starts it in any case",
    "resource": "pb does not set control groups",
    "output": "pb keeps both streams in its own log",
    "directory": "pb makes no directories: make them before its first start",
    "credential": "pb hands over no credentials",
    "unit": "says how systemd treats the unit, which pb does not",
    "socket": "is about a socket or a name that systemd holds for it",
}
SANDBOX = re.compile(
    r"(Protect|Private|Restrict|SystemCall|Capabilit|Ambient|NoNewPriv|ReadOnly|ReadWrite|Inaccess"
    r"|NoExec|Exec(Search)?Paths|Bind(ReadOnly)?Paths|Temporary|Mount|Root|LockPers|MemoryDeny|Secure"
    r"|DynamicUser|RemoveIPC|Keyring|Personality|SELinux|AppArmor|Smack|Device|IPAddress|Socket(Bind)"
    r"|Network(Namespace)|Proc|UserNamespace|SetLogin|Ignore(SIGPIPE)|CPUScheduling|IOScheduling"
    r"|OOM|CPUAffinity|NUMA|TimerSlack|Coredump|Utmp|TTY|PAM|Supplementary|ExtensionD|ExtensionI)"
)
GROUPS = (
    ("condition", re.compile(r"(Condition|Assert)")),
    ("resource", re.compile(r"(CPU(Quota|Weight|Accounting)|IO(Weight|Acc|Read|Write|Device)|Tasks|"
                            r"Memory(High|Low|Min|Swap|Acc|Peak|Pressure)|Slice|Delegate|"
                            r"BlockIO|IPAccounting|Startup|AllowedCPUs|DisableControllers)")),
    ("output", re.compile(r"(Standard(Output|Error|Input)|Syslog|Log|TTYPath)")),
    ("directory", re.compile(r"(Runtime|State|Cache|Logs|Configuration)Directory")),
    ("credential", re.compile(r"(Load|Set|Import)Credential")),
    ("socket", re.compile(r"(Sockets$|BusName|FileDescriptorStore|Accept|USB|OpenFile|Notify)")),
    ("unit", re.compile(r"(DefaultDep|Conflicts|OnFailure|OnSuccess|PropagatesReload|Reload(Prop)|"
                        r"StopWhen|IgnoreOnIsolate|RefuseManual|CollectMode|JobTimeout|Joins|"
                        r"SourcePath|StartLimitAction|FailureAction|SuccessAction|Reboot|Guess|"
                        r"RemainAfter|NonBlocking|RootDirectoryStart|AllowIsolate|Survive|Upholds$|"
                        r"RequiresMountsFor|WantsMountsFor|OnFailureJobMode|SurviveFinal)")),
    ("sandbox", SANDBOX),
)  # fmt: skip


def group_of(key: str) -> str | None:
    """The group that a key is told with; None for one that stands for itself."""
    return next((name for name, pattern in GROUPS if pattern.match(key)), None)
