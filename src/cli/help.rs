//! What `--help` teaches: examples of each verb.

/// Below the list of verbs.
pub(super) const ROOT: &str = "\
A release in five steps:
  tidegate status model                       is green healthy, with the new version?
  tidegate flip model green --reason 'v2'     move everybody
  tidegate undo model                         move everybody back
  tidegate drain model blue --wait            may blue be closed?
  tidegate history model                      who did what

Or let the evidence decide: tidegate rollout start model --to green --version v2 --wait

Try it without root or configuration: tidegate demo
Which server: --address, then --context, then TIDEGATE_ADDRESS, then the current context, then a
running demo, then http://127.0.0.1:8053. Which token: --token-file, then the context's when --context
is given, then TIDEGATE_TOKEN, then TIDEGATE_TOKEN_FILE, then what was found beside the address, then
/var/lib/tidegate/admin-token for an address of this machine. `tidegate context show` says what counts.
TLS in the same order: --ca, --client-cert and --client-key, the environment, the context.

Tables fit the terminal; in a pipe nothing is cut (COLUMNS sets a width). --json prints the API's
answer, and on a failure a problem object with `detail`.
Completions: tidegate completions bash|zsh|fish. Manual pages: tidegate man DIR.
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 timed out (or cut off before the answer
to a change), 4 server unreachable";

/// `completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  tidegate completions bash > /etc/bash_completion.d/tidegate
  tidegate completions zsh > \"${fpath[1]}/_tidegate\"
  tidegate completions fish > ~/.config/fish/completions/tidegate.fish";

/// `man`.
pub(super) const MAN: &str = "\
Examples:
  tidegate man /usr/local/share/man/man1 && man tidegate-flip";

/// `context`.
pub(super) const TSIG_KEY: &str = "\
Messages signed with a key of both sides (TSIG, RFC 8945) may take zones or change them. The key
goes into tidegate.toml, and in the form of the other side there:

  tidegate tsig-key transfer.example.                         # prints both forms
  tidegate tsig-key certbot. --algorithm hmac-sha512
  dig @192.0.2.53 example.test axfr -k FILE                   # FILE: the `key` form

Keep it out of reach: whoever has the secret is the other side. `secret_file` keeps it apart.";

pub(super) const CONTEXT: &str = "\
Contexts stand in ~/.config/tidegate/contexts.toml (XDG_CONFIG_HOME is heeded), mode 0600:

  current = \"prod\"
  [context.prod]
  address = \"https://gate.example.test:8053\"
  token_file = \"/home/me/.config/tidegate/prod.token\"      # or token = \"tg_...\"
  ca_file = \"/etc/ssl/our-ca.pem\"                          # else the system's authorities
  client_cert = \"/home/me/me.pem\"                          # and client_key, where the server asks

Examples:
  tidegate context add prod --address https://gate.example.test:8053 --token-file prod.token
  tidegate context add eu --address https://eu.example.test:8053 --ca our-ca.pem --token-stdin < eu.token
  tidegate context add lab --address 127.0.0.1:8099 --token-stdin < lab.token
  tidegate context use prod
  tidegate context list
  tidegate context show                       where does a verb go, and why?
  tidegate status --context lab               this one time";

/// `serve`.
pub(super) const SERVE: &str = "\
Examples:
  tidegate serve --config /etc/tidegate/tidegate.toml
  tidegate serve --listen 127.0.0.1:5353 --zones ./zones --state ./state

The first start writes an admin token to the file admin-token of the state folder.
SIGHUP reads the zone files and certificates again; SIGTERM ends the server gracefully.";

/// `demo`.
pub(super) const DEMO: &str = "\
Starts two small model servers (blue on 127.0.0.11, green on 127.0.0.12), a zone that
switches between them, and the server; prints what to try. Ctrl-C ends all of it.
DNS over TLS and QUIC is one port above --dns, over HTTPS two, with a certificate that nobody signed.

Examples:
  tidegate demo
  tidegate demo --scenario slow               watch a rollout find out that green is slow
  tidegate demo --load 60s                    green takes a minute to load its model
  tidegate demo --dns 127.0.0.1:5399 --admin 127.0.0.1:8099 --backend-port 8081";

/// `check`.
pub(super) const CHECK: &str = "\
Examples:
  tidegate check --zones /etc/tidegate/zones
  tidegate check --config /etc/tidegate/tidegate.toml
  tidegate check --config /etc/tidegate/tidegate.toml --delegation
  tidegate check --zones zones --delegation --zone ai.example.com --resolver 192.0.2.1
  tidegate check --zones zones --delegation --parent 10.0.0.1 --json     a parent that resolvers do not know

--delegation compares three: what the parent's servers delegate (NS, glue, DS), what the files say, and what
each listed nameserver answers at port 53 over UDP and TCP. Serials that differ are looked at again for some
seconds. Run it from outside, too: a firewall between you and the servers counts as a fault of the servers.

Exit codes: 0 nothing wrong (warnings at most), 1 problems, 2 usage, 4 no server of any parent answered";

/// `compare`.
pub(super) const COMPARE: &str = "\
Files hold one number a line; `#` begins a comment. Counts are hits by total, such as errors by
requests. The decision is one-sided: Welch's t test for numbers; for counts the pooled z test, Fisher's
exact test when an expected count is under 5, and with a margin Newcombe's interval. It holds for one
look at a sample whose size was fixed beforehand; the rows with a * hold for any number of looks.

Examples:
  tidegate compare --stable blue.txt --canary green.txt
  tidegate compare --stable 10/1000 --canary 30/1000
  tidegate compare --stable blue.txt --canary green.txt --margin 20%
  tidegate compare --stable 950/1000 --canary 940/1000 --higher-is-better --json

Exit codes: 0 no regression proven, 1 regression proven, 2 usage (a file with nothing to compare, too)";

/// `import route53`.
pub(super) const IMPORT_ROUTE53: &str = "\
Weighted sets become a switch: a pool for each SetIdentifier, with its weight. Failover becomes the
policy failover, multivalue answers one pool, records without routing a master file. An alias of a
name in the dump is resolved. Everything else - aliases of load balancers, latency, geolocation - is
listed with what to do, also at the end of the zone file, and makes the exit code 1; so is a whole
split of which one set is unreadable. Health checks are not in a dump: write a monitor. What is
written has passed `tidegate check` beside the files that are in --out already.

Examples:
  aws route53 list-resource-record-sets --hosted-zone-id Z123 --output json > dump.json
  tidegate import route53 dump.json --dry-run
  tidegate import route53 dump.json --out zones --ns ns1.example.net --ns ns2.example.net
  tidegate import route53 dump.json --zone app.example.com --ns ns1.example.net --out zones";

/// `plan`.
pub(super) const PLAN: &str = "\
Holds are raised to two TTLs and 2 min; evidence counts from TTL + 60 s on. What a step sees, it sees
in four of five cases, at the price of a test that may be looked at as often as one likes.

Examples:
  tidegate plan model --zones zones --traffic 50/s
  tidegate plan model --steps 1%,10%,100% --hold 10m --resolvers 40 --effect 3%
  tidegate plan model --zones zones --plan plan.toml --json";

/// `simulate`.
pub(super) const SIMULATE: &str = "\
Each resolver keeps an answer for the TTL; its users follow what it holds. Under sticky a resolver is
a canary or is not, so the share of requests strays from the weight the more, the fewer resolvers make
up most of the traffic. Every play draws another salt; the same seed gives the same figures.
Recorded resolvers are lines of `client,queries-per-second`: an address or prefix, and what its users
ask by second, not what gets past the cache.

Examples:
  tidegate simulate --resolvers 2000 --qps 500
  tidegate simulate --steps 0.5%,5%,100% --hold 5m --policy random
  tidegate simulate model --zones zones --population resolvers.csv --json";

/// `status`.
pub(super) const STATUS: &str = "\
Examples:
  tidegate status                             all switches
  tidegate status model                       one switch with its members
  tidegate status --json | jq .revision";

/// `top`.
pub(super) const TOP: &str = "\
Every switch with its weights, health, answers beside their target, drain clock and rollout; Enter
opens one with its members, their last errors and the last changes. It follows the server's events,
says when what it shows is stale, and comes back by itself. NO_COLOR and --color are heeded.

Keys: arrows or j k choose and scroll, Enter opens, Esc goes back, / filters, r reads now, q leaves.

Examples:
  tidegate top
  tidegate top model --context prod";

/// `report`.
pub(super) const REPORT: &str = "\
Of a switch with policy = \"fixed\", since its split came into force: answers beside the target, whether
the split is kept, and each pushed metric with the difference to the heaviest pool. The interval `always`
holds however often one looks, and decides; `once` is right for one look at an end set before.

Examples:
  tidegate report ranking
  tidegate report ranking --json | jq '.metrics[].comparisons[].line'
Samples: POST /v1/switches/ranking/samples (deploy/experiments.md)";

/// `flip`.
pub(super) const FLIP: &str = "\
Examples:
  tidegate flip model green --reason 'release v2'
  tidegate flip model green --dry-run         what would change?
  tidegate flip model green --prepare         lower the TTL first, wait, then flip
  tidegate flip model green --wait            until no cache that honours TTLs holds blue
  tidegate flip model green web green         both at once, or none
  tidegate flip model green --force --reason 'blue is on fire'

`tidegate undo model` returns at once.";

/// `rollout`.
pub(super) const ROLLOUT: &str = "\
A rollout moves traffic in steps, looks at the evidence in each, and goes back by itself when
the new side is worse. The plan stands in the zone's file under [switch.NAME.rollout]; without
one it is 1 %, 10 %, 50 %, 100 % with holds of 10, 10 and 15 minutes, judged by the probes.

  tidegate rollout start model --to green --version v2 --wait
  tidegate rollout status model
  tidegate rollout abort model --reason 'users complain'

While it runs nothing else moves the weights. abort always wins.";

/// `rollout start`.
pub(super) const ROLLOUT_START: &str = "\
Examples:
  tidegate rollout start model --to green --version v2
  tidegate rollout start model --steps 5%,25%,100% --hold 10m --wait
  tidegate rollout start model --kind blue-green --wait --timeout 30m
  tidegate rollout start model --plan plan.toml --dry-run

A plan given here replaces the file's, but for its hooks and its Prometheus server.
With --wait: 0 promoted, 1 aborted or failed, 3 not ended in time.";

/// `rollout status`.
pub(super) const ROLLOUT_STATUS: &str = "\
Examples:
  tidegate rollout status model
  tidegate rollout status model --wait --timeout 2h
  tidegate rollout status model --wait --fail-on-pause   in CI, where nobody can resume";

/// `set-weights`.
pub(super) const SET_WEIGHTS: &str = "\
Examples:
  tidegate set-weights model green=10%        the others share the rest in their old ratio
  tidegate set-weights model blue=9000 green=1000
  tidegate set-weights model green=0.5% --reason 'first canary'";

/// `undo`.
pub(super) const UNDO: &str = "\
Examples:
  tidegate undo model --reason 'p95 went up'";

/// `prepare`.
pub(super) const PREPARE: &str = "\
Answers carry the short TTL from now on; when the answers given before have expired, a flip
reaches everybody within that TTL. An unused preparation lapses after an hour.

Examples:
  tidegate prepare model
  tidegate prepare model --wait --timeout 5m  until a flip reaches everybody within the short TTL
  tidegate flip model green --prepare         both in one go";

/// `override`.
pub(super) const OVERRIDE: &str = "\
Examples:
  tidegate override model green force-down --for 2h --reason 'disk swap'
  tidegate override model green/192.0.2.20 force-up --for 30m --reason 'probe is wrong'
  tidegate override model green clear";

/// `expect-version`.
pub(super) const EXPECT_VERSION: &str = "\
Examples:
  tidegate expect-version model green v3      green is not ready before its members show v3
  tidegate expect-version model green --reset back to the version of the files";

/// `drain`.
pub(super) const DRAIN: &str = "\
Examples:
  tidegate drain model blue                   where does it stand?
  tidegate drain model blue --wait --timeout 30m && systemctl stop model-blue
  tidegate drain model blue --wait --verified also wait for the idle reading

Exit code 0: it may be closed. A pool that has weight, or that a rule names, is refused: flip
first. DNS cannot move connections that are open already.";

/// `explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
  tidegate explain model.example.test 203.0.113.7
  tidegate explain model.example.test 2001:db8:7::/56
  tidegate explain '*.app.example.test' u123";

/// `history`.
pub(super) const HISTORY: &str = "\
Examples:
  tidegate history                            the last 20 changes
  tidegate history model --limit 100
  tidegate history --before 1200 --json";

/// `updates`.
pub(super) const UPDATES: &str = "\
Dynamic updates (RFC 2136) put whole sets in the place of the files'. They stay through restart and
reload until an update makes them what the files say. Names of switches cannot be updated.

Examples:
  tidegate updates                            the first 50
  tidegate updates _acme-challenge.www.example.test
  tidegate updates --zone example.test --limit 500 --json";

/// `reload`.
pub(super) const RELOAD: &str = "\
All files are valid, or nothing changes. Weights set at run time stay until `tidegate reset`.

Examples:
  tidegate check --zones /etc/tidegate/zones && tidegate reload
  tidegate reload --dry-run";

/// `reset`.
pub(super) const RESET: &str = "\
Examples:
  tidegate reset model --dry-run              what do the files say?
  tidegate reset model --reason 'files are right again'";

/// `member`.
pub(super) const MEMBER: &str = "\
Examples:
  tidegate member list workers
  tidegate member register workers blue gpu-7 --ip 10.0.0.7 --ip 2001:db8:7::7 --ttl 30s
  tidegate member remove workers blue gpu-7 --reason 'back to the pool of spares'

Registering takes `register = { max = 20, networks = [...] }` in the pool's files. The same again is a heartbeat;
without one the member goes when its time is over. A member counts once its probes pass;
where no pool is eligible, the fallback may answer with it before.";

/// `token`.
pub(super) const TOKEN: &str = "\
Examples:
  tidegate token create ci --role operator --switch model --expires 90d
  tidegate token list
  tidegate token revoke ci";

/// `backup`.
pub(super) const BACKUP: &str = "\
Examples:
  tidegate backup /var/backups/tidegate.db

The file is written by the server, on the server's disk; an existing file is never replaced.";

/// `restore`.
pub(super) const RESTORE: &str = "\
Examples:
  systemctl stop tidegate && tidegate restore /var/backups/tidegate.db
  tidegate restore --accept-copy              after a damaged state file: go on from the copy

Serials and the revision never go back: secondaries see the restored state as newer.";
