//! All codes: name, exit code, cause and fix.

use crate::model::Exit;

codes! {
    ConfigInvalid "config.invalid" BadArgument
        "A flag, a variable or a key of the config file has a value that is not valid. All mistakes are listed at once."
        "Correct the values named; 'ece-agent install --help' describes each."
    ConfigFile "config.file" BadArgument
        "The config file cannot be read, is not TOML, or has a key that is not known."
        "Correct the file; its keys are the long names of the flags of 'install'."

    ProfileInvalid "profile.invalid" BadArgument
        "The profile, which says how a person reaches a cluster, cannot be read, is not TOML, has a key that is not known, or is none that 'login' wrote."
        "Correct the file; its keys are coordinator-host, user, password-file, api-key-file, ca-cert and ca-fingerprint. 'ece-agent login HOST' writes one."
    LogsNotHere "logs.not_here" General
        "The log is not where it was looked for: a daemon that 'install --foreground' or 'run' has become logs to where it was started from, and one in the background to agent.log in its state directory."
        "Look where the daemon was started, or name its state directory with --state-dir; that of the service is shown by 'journalctl -u ece-agent'."
    OutputNotWritten "output.not_written" General
        "What was asked for cannot be written to the file that was named."
        "The message has the system's reason; name another file with --output. A file that is there is not written over."

    TokenMissing "token.missing" BadArgument
        "A coordinator was named, or the host had joined a cluster before, but no roles token was given."
        "Add --roles-token-file FILE ('-' reads stdin) or --roles-token TOKEN; an administrator makes one with 'ece-agent token create'."
    TokenUnreadable "token.unreadable" BadArgument
        "The file that should hold the roles token cannot be read, is empty or far too large."
        "Give a file that holds the token's text and nothing else."
    TokenMalformed "token.malformed" TokenRefusedLocally
        "The text is not a roles token: not three dot-separated parts of base64url, no JSON, or claims that no ECE makes (missing, duplicate, of a wrong type)."
        "Copy the whole token again, without line breaks; 'ece-agent token inspect -' shows what can be read of it."
    TokenAlgorithm "token.algorithm" TokenRefusedLocally
        "The token's header names an algorithm other than HS256, or extensions that must be understood and are not."
        "Use a token made by your coordinator; this one was not."
    TokenUnknownRole "token.unknown_role" TokenRefusedLocally
        "The token lists a role that this version does not know."
        "Use a token with the roles allocator, coordinator, director or proxy, or install the version of ece-agent that the coordinator runs."
    TokenExpired "token.expired" TokenRefusedLocally
        "The token's lifetime is over, or this machine's clock is wrong."
        "Compare the two times shown; if the clock is right, ask for a new token ('ece-agent token create')."
    TokenRolesExceeded "token.roles_exceeded" TokenRefusedLocally
        "The roles asked for are more than the token allows."
        "Ask for fewer roles with --roles, or for a token that allows these: 'ece-agent token create --roles ROLES'."
    TokenInvalid "token.invalid" Refused
        "The coordinator does not know this token: it was made by another cluster, its text was altered, or it was removed."
        "Check that --coordinator-host names the cluster that made the token, or ask for a new token."
    TokenRevoked "token.revoked" Refused
        "The token was revoked by an operator."
        "Ask for a new token ('ece-agent token create')."
    TokenTooOften "token.too_often" Refused
        "More than 20,000 hosts have come with this token lately; it lets in one a second until that is over."
        "Use another token for the next hosts ('ece-agent token create'), or wait and repeat the command; if so many hosts were not meant to come, revoke it ('ece-agent token revoke ID')."
    TokenUsedUp "token.used_up" Refused
        "The token was made for a limited number of hosts and they have all joined."
        "Ask for a new token ('ece-agent token create')."

    TrustNoPin "trust.no_pin" NotTrusted
        "Nothing says which coordinator is the right one: the token carries no pin (tokens made by ECE itself do not) and neither --ca-cert nor --ca-fingerprint was given. The token was not sent."
        "On a coordinator run 'ece-agent ca show', then repeat the command with --ca-fingerprint."
    TrustPinMismatch "trust.pin_mismatch" NotTrusted
        "The server showed no certificate of the pinned cluster CA: it belongs to another cluster, or something between here and there answers in its place. The token was not sent."
        "Compare the pins with 'ece-agent ca show' on the coordinator; check that the address is the coordinator's and no proxy terminates TLS."
    TrustNameMismatch "trust.name_mismatch" NotTrusted
        "The coordinator's certificate is of the right cluster, but not for the name or address that was dialled. The token was not sent."
        "Dial one of the names in the certificate, or install the coordinator with --external-hostname NAME."
    TrustNotACoordinator "trust.not_a_coordinator" NotTrusted
        "The server's certificate is of the right cluster, but does not carry the coordinator's role. The token was not sent."
        "Check the address: something else than a coordinator answers there."
    TrustCertificateDate "trust.certificate_date" NotTrusted
        "By this machine's clock the coordinator's certificate is not valid yet, or no longer."
        "Set this machine's clock; if it is right, look at the coordinator's, which renews its certificate by itself."
    TrustCaUnreadable "trust.ca_unreadable" BadArgument
        "The file given with --ca-cert cannot be read or holds no certificate."
        "Save the output of 'ece-agent ca show --pem' on the coordinator to a file and give that."

    CoordinatorNameNotResolved "coordinator.name_not_resolved" Unreachable
        "The coordinator's name has no address here."
        "Check the spelling and this machine's name resolution ('getent hosts NAME'), or give the address."
    CoordinatorConnectionRefused "coordinator.connection_refused" Unreachable
        "The machine answers, but nothing listens on that port."
        "Check that the coordinator runs ('ece-agent status' there) and that the port is right: hosts use 12343, the API 12443."
    CoordinatorTimeout "coordinator.timeout" Unreachable
        "Nobody answered in time: the machine is off, a firewall drops the packets, or the server hangs."
        "Check the route and the firewall for the port that is named ('nc -vz HOST PORT')."
    CoordinatorUnreachable "coordinator.unreachable" Unreachable
        "The network refused the connection or broke it off."
        "The message has the system's reason; check the route to the coordinator."
    CoordinatorNotTls "coordinator.not_tls" Unreachable
        "What answers does not speak TLS, or not a version of it that is accepted here."
        "Check the port: hosts talk to 12343, over TLS 1.3; the API is on 12443."
    CoordinatorProtocol "coordinator.protocol" Unreachable
        "The answer is not one that a coordinator gives."
        "Check that address and port are a coordinator's (hosts use 12343, the API 12443), and that the versions of agent and coordinator are neighbours."
    CoordinatorBusy "coordinator.busy" Unreachable
        "The coordinator has more to do than it takes on at once."
        "Wait a little and repeat the command; nothing was lost."
    CoordinatorFailed "coordinator.failed" Unreachable
        "The coordinator met an error of its own."
        "Look at the coordinator's log ('ece-agent logs' there) for the request id shown; repeat the command afterwards."

    JoinRunnerIdReserved "join.runner_id_reserved" Refused
        "The API has something else under this name, which would hide the host ('settings', 'health', 'filtered-groups', 'candidates', and names that begin with '_'), or it reads like a flag or a hidden file (names that begin with '-' or '.')."
        "Choose another name with --runner-id; without it the host's address is its name."
    JoinRunnerIdTaken "join.runner_id_taken" Refused
        "Another host, with another key, is registered under this runner id."
        "If that host is gone, delete it ('ece-agent host delete ID' on the first host) and repeat the command, or repeat it with --replace and the token that the lost host joined with, if that was made with --allow-replace; if it is not gone, choose another name with --runner-id."
    JoinRunnerIdAlike "join.runner_id_alike" Refused
        "Another host, with another key, is registered under a runner id that differs from this one in upper and lower case alone."
        "Give --runner-id another name; or, if that host is gone and this one comes in its place, the name as the message shows it, letter by letter, and go on as that answer says."
    JoinRunnerIdAddress "join.runner_id_address" Refused
        "The runner id reads as an IP address, and is not how that address is spelt (as '127.000.0.3' and '::ffff:127.0.0.3' are not): people would take the host for the one at that address."
        "Give --runner-id the address as the message shows it, or a name; without it the host's address is its name."
    JoinKeyInUse "join.key_in_use" Refused
        "This host's key is already registered under another runner id."
        "Repeat the command with the runner id that is registered, or with --new-identity after that host was deleted."
    JoinRolesDiffer "join.roles_differ" Refused
        "This host is a member, and has other roles than those asked for. Roles of a member are changed at the coordinator, not by installing again."
        "Leave --roles out, or change them on the first host: 'ece-agent host roles ID ROLES'. A first host keeps coordinator and director."
    JoinRoleNotAvailable "join.role_not_available" Refused
        "A role was asked for that only the first host can hold in this version: a second coordinator or director needs the replicated datastore."
        "Ask for the roles allocator and proxy alone; coordinator and director stay with the first host."
    JoinNotConnected "join.not_connected" NotConnectedInTime
        "The host is enrolled, but the coordinator did not see it connected in time. Nothing is lost."
        "'ece-agent status' says what the daemon is waiting for; the same command goes on from here."

    JoinReplaceRefused "join.replace_refused" Refused
        "Taking the place of a host that is gone was refused: it is still connected, or the token was not made for that. A token may replace only a host that it let in itself, and only if it was made with allow_replace."
        "Make sure that the old host is off, and use the token that it joined with, if that was made with --allow-replace ('ece-agent token list' on the first host shows it); else delete the old host there ('ece-agent host delete ID') and repeat the command without --replace."
    JoinNotNeeded "join.not_needed" BadArgument
        "A new identity was asked for, but this host is a member in good standing; giving up its key would only leave a dead host behind."
        "Leave --new-identity out; to start over run 'ece-agent uninstall' first."

    HostAddressShared "host.address_shared" General
        "Two hosts of the cluster say that they have the same address; what goes to one of them may reach the other."
        "Find out whose it is, with 'ece-agent status' on both. On the other repeat its install command with --host-ip and its own address; if it does not say so of its own accord, remove it with 'ece-agent host delete RUNNER_ID --evict'."
    HostCloned "host.cloned" Refused
        "Another machine with the same key is connected: one of the two is a copy of the other's disk. The one that was there first stays; this one is kept apart until it is a host of its own."
        "On the copy run 'ece-agent install --new-identity' with a valid token; it gets a key and a name of its own."
    HostFactsTooOften "host.facts_too_often" General
        "This host changes what it says of itself (addresses, memory, disk, tags) so often that the coordinator takes it in only every five minutes."
        "Find out what changes: compare 'ece-agent audit list --action host.facts --json' for this host, and look for an address, a disk or a container limit that comes and goes."
    HostRemoved "host.removed" Refused
        "This host was removed from the cluster, so its key is no longer accepted."
        "To make it a new member, run install again with --new-identity and a valid token."
    HostUnknown "host.unknown" Refused
        "The coordinator knows no host with this key."
        "Check that the coordinator is of the cluster this host joined; if it is, repeat the install command with --new-identity and a valid token. The first host of a cluster needs no token for that."

    InstallRunnerIdDiffers "install.runner_id_differs" BadArgument
        "This host is installed under another runner id."
        "Leave --runner-id out, or use another --state-dir for another host."
    InstallSettingKept "install.setting_kept" General
        "A setting was given that is not the one in force, and the installation leaves it as it is."
        "The message names both values; the fix beside it says how it is changed."
    InstallNotDone "install.not_done" General
        "There is no installed host in this state directory."
        "Run 'ece-agent install' first, or name the right directory with --state-dir."
    InstallCoordinatorRequired "install.coordinator_required" BadArgument
        "The first host of a cluster needs the coordinator role; without it there is no cluster to join."
        "Add coordinator to --roles, or give --coordinator-host and a roles token to join a cluster."
    StateNotWritable "state.not_writable" General
        "A directory or file that the agent needs cannot be created or written."
        "The message has the path and the system's reason; correct owner, permissions or space, or choose --state-dir and --host-storage-path."
    StorageClosed "storage.closed" General
        "A directory on the way to the host storage path is closed to the user that the daemon runs as."
        "Repeat 'ece-agent install' as root: the service is let in, and the directory stays as it is. A daemon without a service needs the directory that is named open to its user ('chmod a+x DIRECTORY'), or another --host-storage-path."
    StateInUse "state.in_use" General
        "Another ece-agent process works on this state directory."
        "Wait for it to end, stop it with 'ece-agent stop', or use another --state-dir."
    StateOfAnother "state.of_another_user" WrongUser
        "Root was asked to work with a state directory that belongs to another user, who could lead it elsewhere."
        "Call ece-agent as that user ('runuser -u USER -- ece-agent … --state-dir DIR'), or name another directory with --state-dir; the service is started and stopped with systemctl."
    StorageSecretsOfAnother "storage.secrets_of_another_cluster" Refused
        "A new cluster was to be made where the only copy of another cluster's passwords and tokens is."
        "Choose another directory with --host-storage-path; if that cluster is gone, move the file away and repeat the command."
    StorageInUse "storage.in_use" Refused
        "The host storage path is in use by the host of another state directory."
        "Choose another directory with --host-storage-path, or uninstall that host first: 'ece-agent uninstall --state-dir DIR'."
    StoragePathRefused "storage.path_refused" BadArgument
        "The host storage path is one that the system, its users or the agent itself use for something else, or that the service cannot see."
        "Choose a directory of its own with --host-storage-path, like /mnt/data/elastic."
    StorageMissing "storage.missing" Refused
        "The host storage path is not the one that this host had: its marker is missing. Perhaps its disk is not mounted. Nothing is made in its place."
        "Mount the disk ('findmnt --fstab' lists what belongs where, 'mount -a' mounts it), then repeat 'ece-agent install'. If an empty disk is to take its place, remove storage.json from the state directory before; to give up what was there, add --force to 'ece-agent uninstall'."
    StorageSilent "storage.silent" General
        "The file system of the state directory or of the host storage path does not answer: its disk, or the server that it is on, hangs."
        "'findmnt -T PATH' says which file system that is; 'umount -f -l TARGET' and 'mount TARGET' mount it anew. Then repeat the command."
    StorageOfAnother "storage.of_another_user" WrongUser
        "Below the host storage path is a directory for instances that belongs to another user."
        "Choose another directory with --host-storage-path; if what is there is of no use, give it to whoever installs: 'chown USER DIR' as root."

    IdentityUnreadable "identity.unreadable" General
        "The host's identity is there, but cannot be read: damaged, cut short, or with permissions that let others read the key."
        "Restore the file, or its mode (0600), as the user that it belongs to. Else repeat the install command with --new-identity and a valid token: the cluster says again who the host is, and what is damaged is kept beside it as identity.json.damaged. The first host of a cluster needs no token for that."
    IdentityOfAnother "identity.of_another_host" Refused
        "The host's key is that of another member of the cluster: files of two hosts were mixed up. Its roles are stopped."
        "Put this host's own identity.json and host.key back into its state directory, as the user that this belongs to, then run 'ece-agent start'. If its own key is lost: 'ece-agent host delete ID' on the first host, with this host's id, then repeat the install command here with --new-identity and a valid token."
    FactsUnreadable "facts.unreadable" General
        "The daemon could not read all of what it says about its machine. What it read last counts until it can."
        "The message has the system's reason. A file system that does not answer is a matter of its disk or its server; the daemon looks again every 30 s."

    DaemonNotRunning "daemon.not_running" General
        "No daemon answers for this state directory."
        "Start it with 'ece-agent start'."
    DaemonAnswerUnreadable "daemon.answer_unreadable" General
        "Something answers at the daemon's socket, and not as the daemon does: the socket is another program's, or the daemon hangs."
        "A service makes its socket anew with 'systemctl restart ece-agent'; else end the daemon, if there is one, and run 'ece-agent start', which does the same."
    DaemonNotTheService "daemon.not_the_service" General
        "A daemon that was started by hand, as the user of the service, works in the service's place. Root neither asks nor stops it: whoever is that user could say anything there."
        "End the process that is named, then run 'systemctl start ece-agent'."
    DaemonNotStarted "daemon.not_started" General
        "The daemon that install left behind ended at once."
        "The reason is in agent.log in the state directory: 'ece-agent logs' shows it."

    UninstallInstances "uninstall.instances" Refused
        "This host is an allocator with instances; their data would be gone."
        "Move the instances to other hosts first, or add --force."
    UninstallFirstHost "uninstall.first_host" Refused
        "This host holds the cluster's only coordinator and its data: without it the cluster is gone."
        "If it has other hosts ('ece-agent host list' shows them), uninstall those first; then add --force, which gives up the cluster."
    PasswordNotFirstHost "password.not_first_host" Refused
        "Passwords of the API are kept by the cluster's first host, and nothing that root has written says that this is it."
        "Run the command on the first host; if this is it, repeat 'ece-agent install' there, which writes down what is missing as long as the secrets file is in its place."
    PrivilegesMissing "privileges.missing" WrongUser
        "This needs root, or the user that the host belongs to."
        "Repeat the command with sudo."
    ServiceFailed "service.failed" CommandFailed
        "systemd could not do what was asked of it, or a privileged step of the installation failed."
        "The message has the command and its output; 'journalctl -u ece-agent' has more. The same command goes on from where it was."
    ProgramMissing "program.missing" General
        "The installer script found no ece-agent to call, and cannot fetch it."
        "Put ece-agent beside the script or in PATH, or use the installer file that has both in one; for a first host nothing can be fetched."
    ProgramOfAnother "program.of_another_user" WrongUser
        "The ece-agent that the installer script was to run, or a directory on the way to it, can be changed by somebody other than root or the caller."
        "Put ece-agent where only root or you can write, or run the command that is printed beside the message."
    UpgradeFailed "upgrade.failed" General
        "The new binary did not come up healthy. The one before it was put back, unless it does not run any more on what the new one has stored; the message says what runs now."
        "The message has the reason; see 'journalctl -u ece-agent'."
    UpgradePackaged "upgrade.packaged" BadArgument
        "The binary belongs to a Debian package, and is replaced by one."
        "Install the newer package: 'apt-get install ./ece-agent_VERSION_ARCH.deb'; the daemon restarts by itself."

    PreflightCoordinator "preflight.coordinator" Preflight
        "The coordinator cannot be reached as a host reaches it. The failing step is named: resolve, connect, tls, trust or http."
        "The finding has the code of what happened; 'ece-agent explain CODE' has its fix."
    PreflightToken "preflight.token" Preflight
        "The roles token, as far as it can be judged without a coordinator: its lifetime, and the roles that it allows."
        "What is wrong with a token has a code of its own: token.expired, token.roles_exceeded."
    PreflightClock "preflight.clock_skew" Success
        "This machine's clock and the coordinator's differ by more than 30 seconds. It is a warning, with which no command fails; one that is too far off is refused for what follows from it (trust.certificate_date, token.expired)."
        "Set the clock: 'timedatectl set-ntp true', or install chrony."
    PreflightProxy "preflight.proxy_variables" Preflight
        "The environment names an HTTP proxy. ece-agent goes around it; curl and other tools that talk to the coordinator do not."
        "Exclude the coordinator: export no_proxy=COORDINATOR_HOST."
    PreflightRoute "preflight.route" Preflight
        "Packets to the coordinator leave from another address than the host IP."
        "Give the address that routes there with --host-ip, or leave the flag out."
    PreflightDisk "preflight.disk" Preflight
        "The file system of the host storage path has less than 10 GB free."
        "Make room, or choose another --host-storage-path."
    PreflightMaxMapCount "preflight.max_map_count" Preflight
        "The kernel lets a process map fewer memory areas than Elasticsearch needs (vm.max_map_count, 262144)."
        "sysctl -w vm.max_map_count=262144 && echo vm.max_map_count=262144 > /etc/sysctl.d/60-ece-agent.conf"
    PreflightOpenFiles "preflight.open_files" Preflight
        "A service may not open as many files as a coordinator or an allocator of full size needs (1024000)."
        "sysctl -w fs.nr_open=1048576, and set LimitNOFILE=1024000 where a container or a login limits it."
    PreflightCgroup "preflight.cgroup" Preflight
        "Control groups of version 2 are not what this machine uses, so limits of instances cannot be enforced."
        "Boot with systemd.unified_cgroup_hierarchy=1."
    PreflightMachineId "preflight.machine_id" Preflight
        "The machine id is missing, empty, or one that images are shipped with: machines made from one image cannot be told apart by it."
        "rm -f /etc/machine-id && systemd-machine-id-setup"
    PreflightInstalled "preflight.earlier_installation" Preflight
        "A host is installed here already."
        "Nothing, if it is the same host; else run 'ece-agent uninstall' first."
    PreflightKernel "preflight.kernel" Preflight
        "The kernel is older than 4.19, which nobody tests with."
        "Boot a newer kernel."
    PreflightSwap "preflight.swap" Preflight
        "Swap is on: instances whose heap is swapped out stop answering."
        "swapoff -a, and remove the swap lines from /etc/fstab."
    PreflightTags "preflight.tags" Preflight
        "A tag is named like a field that exporters make a label of (connected, healthy, ip, maintenance, zone): a scrape that has both is refused, or shows the one in the place of the other."
        "Give the tag another name: --allocator-tags and --proxy-tags of 'ece-agent install'; the labels of an allocator with 'ece-agent host label ID NAME- OTHER=VALUE'."
    PreflightUser "preflight.user" Preflight
        "The command does not run as root, so it makes no service: the daemon runs as this user, and not after a reboot."
        "Repeat the command with sudo."
    PreflightSystemd "preflight.systemd" Preflight
        "This machine was not booted with systemd: the daemon is left in the background and does not start again after a reboot."
        "Start 'ece-agent run' from whatever starts services here."

    PreflightPort "preflight.port_in_use" Preflight
        "A port that the requested roles listen on is taken."
        "Stop the other program ('ss -ltnp' names it to root), or, for a host that only this machine reaches, give it a loopback address of its own with --host-ip."
    PreflightMemory "preflight.memory" Preflight
        "The host has less memory than a member needs (8 GB)."
        "Use a larger machine; with --foreground this is only a warning."
    PreflightCapacity "preflight.capacity" Preflight
        "--capacity says more than the host's memory."
        "Give a capacity of at most the memory shown, or leave the flag out."

    StoreFailed "store.failed" General
        "The coordinator's datastore cannot be opened, read or written."
        "The message has the system's reason (space, permissions, damage); nothing that was acknowledged depends on what failed."
    StoreMissing "store.missing" Refused
        "This is the first host of a cluster, and the cluster's datastore, or the key that it is sealed with, is not there. Neither is made anew where there was one."
        "Restore it from a backup ('ece-agent restore DIRECTORY') and run 'ece-agent install'. Without a backup the cluster is lost: 'ece-agent uninstall --force', then 'ece-agent install' makes another."
    BackupExists "backup.exists" BadArgument
        "The directory that the backup was to be made in is there already. None is written over."
        "Name a directory that is not there yet; 'ece-agent backup DIRECTORY' makes it."
    BackupNotFirstHost "backup.not_first_host" BadArgument
        "There is no cluster's data on this host that could be copied, or it has joined a cluster, of which another host is the first."
        "Make and restore backups on the first host; another machine with its address can take its place, if it has joined no cluster ('ece-agent uninstall' leaves one). A host without root has its own directory: --state-dir."
    BackupUnusable "backup.unusable" BadArgument
        "What was to be restored is no backup that can be trusted: it is not there, a file is missing in it, or is a link or has another name, or belongs to somebody other than root or the caller, or can be written by others."
        "Name the directory that 'ece-agent backup DIRECTORY' has made, or a copy of it; 'chown -R root:root DIRECTORY' and 'chmod -R go-w DIRECTORY' make root's alone what came from elsewhere."
    CoordinatorKeyDamaged "coordinator.key_damaged" Refused
        "A file with a key of the coordinator is damaged, or is not of the datastore beside it."
        "master.key has to come from the backup that the datastore came from ('ece-agent restore DIRECTORY' restores both). tls.key can be removed, as its user ('runuser -u ece-agent -- rm FILE'): the coordinator makes another, and members trust it by the cluster's CA."
    StoreUnreadableDocument "store.unreadable_document" General
        "Settings, a role or a group that the API keeps are damaged in the coordinator's datastore."
        "Replace all of it with a PUT in the API, or delete it; the coordinator's log ('ece-agent logs' there) has the path of the record."
    StoreUnreadableHost "store.unreadable_host" General
        "A record that says which roles a host has, or whose its key is, is damaged in the coordinator's datastore: it might be the only one with a role."
        "The message names the record. Look for a failing disk; restore a backup ('ece-agent restore DIRECTORY', then 'ece-agent install'). The host keeps its name until then: another one joins under another name, with --runner-id."
    StoreChangesLost "store.changes_lost" General
        "The coordinator's datastore lacks changes that it had acknowledged before: the end of its log was damaged, or an earlier copy of store.db was put in its place. It is said once, in the log."
        "See what is missing ('ece-agent audit list' ends where the datastore does) and repeat it, revocations first; a host that says 'host.unknown' joins again. Look for a failing disk. 'store.revision' in 'coordinator/' belongs to the store.db beside it: restore both, or neither."
    StoreUnavailable "store.unavailable" Unreachable
        "The coordinator cannot reach its datastore at the moment."
        "Repeat the request in a moment; 'ece-agent status' on the coordinator's host says what it waits for."
    StoreOutcomeUnknown "store.outcome_unknown" General
        "The datastore stopped answering while a change was under way: it was made, or it was not."
        "Look whether the change is there, then repeat it if it is not."
    StoreTooNew "store.too_new" Refused
        "The datastore was written by a newer version of ece-agent."
        "Run that version or a newer one."

    RolesLastCoordinator "roles.last_coordinator" Refused
        "This is the only host with this role; without it the cluster would be gone."
        "The role stays where it is: in this version no other host can have it. To give up the whole cluster run 'ece-agent uninstall --force' on that host."

    RolesLastDirector "roles.last_director" Refused
        "This is the only host with the director role; the cluster's data is there."
        "The role stays where it is: in this version no other host can have it. To give up the whole cluster run 'ece-agent uninstall --force' on that host."
    RolesNotHealthy "roles.not_healthy" General
        "The host is a member, but a role that it has does not do its work."
        "'ece-agent status' on the host says which role, and why; the daemon tries it again by itself, and 'ece-agent install' repairs what it has made."
    RolesSilent "roles.silent" General
        "A role has been asked to start, or how it is doing, and has not answered: the disk or the network file system that it looks at does not answer."
        "'findmnt -T PATH' says which file system the host storage path is on, without asking it; mount it anew if it does not answer ('umount -f -l TARGET', 'mount TARGET'). The role goes on by itself."
    RolesNotHere "roles.not_here" General
        "The host was given a role that it cannot run: its version of ece-agent is older than the role."
        "Take the role from the host ('ece-agent host roles ID ROLES'), or install the version of ece-agent that the coordinator runs."
    RolesNoDatastore "roles.no_datastore" General
        "The host has the role coordinator or director, and the cluster's datastore is not on it: in this version that is one file, on the cluster's first host."
        "Take the role from the host ('ece-agent host roles ID ROLES'), or, in the place of the host that had it, restore its backup ('ece-agent restore DIRECTORY', then 'ece-agent install'); the role waits, and goes on by itself."
    RolesPayload "roles.payload_unreadable" General
        "The coordinator wants something of a role that this version of ece-agent cannot read. What the role was told before still holds."
        "Install the version of ece-agent that the coordinator runs."
    RolesUnknown "roles.unknown" Refused
        "What was given as the name of a role cannot be one."
        "Use names of lower-case letters, digits and '-', at most 64 characters each."

    ApiUnauthenticated "api.unauthenticated" Refused
        "The coordinator does not accept this user and password, or the user is disabled."
        "An API key that is over, as all are after their user's password was changed, is replaced by 'ece-agent login HOST'. Else check --user and the file given with --password-file; on the first host leave both out, and if that is refused too, the secrets file there does not hold the password any more: 'ece-agent reset-password --user admin' makes another and keeps it. An admin sees with 'ece-agent user list' who is disabled."
    ApiForbidden "api.forbidden" Refused
        "No role that this user has allows that."
        "Use the admin user, or let an admin give the user a role: 'ece-agent user update NAME --roles ROLES'; 'ece-agent whoami' says who asks, with which roles."
    ApiRefused "api.refused" Refused
        "The coordinator refused the request; the message has its code and reason."
        "Correct the request as the message says."

    UiForeignForm "ui.foreign_form" Refused
        "What was sent is not the form of a page that this coordinator has made for this session: another page has sent it, the page was made before the last sign-in, or something on the way changes the headers Origin and Host."
        "Open the page anew and send it again. Behind a proxy, let it pass on Host as the browser sends it, with the port."

    Internal "internal" General
        "Something that should not be possible has happened: a defect in ece-agent."
        "Report it with the message and the log around it."
}
