"""Commands that prove a log and keep it: the chain and its key, purges, copies."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from geo_backup.cli.errands import asks, looks, me, records
from geo_backup.cli.terminal import JsonOption, audit_app, log_app, progress_bar
from geo_backup.custody import DoubtAcknowledged, HoldLifted, HoldPlaced
from geo_backup.errors import BadValueError, LogError, LogHeldError
from geo_backup.events import TIME_MS
from geo_backup.wording import so_many

if TYPE_CHECKING:
    from geo_backup.eventlog.retention import Purge, Terms


def path(log: str) -> Path:
    """The file of a log; --help shows this name."""
    from geo_backup.eventlog import file_of

    return file_of(log)


LogArgument = Annotated[Path, typer.Argument(help="Event log.", parser=path)]
LogOption = Annotated[Path, typer.Option("--log", help="Event log.", parser=path)]
KeyOption = Annotated[
    Path | None, typer.Option("--key", envvar="GEO_BACKUP_LOG_KEY", help="Key file; LOG.key when none is named.")
]
PURGE_WITHIN_S = 6 * 3_600.0
DAYS = "Days that {} stay."


@audit_app.command("verify")
def audit_verify(
    log: LogArgument,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="File with a key that is trusted, as `audit key` prints it; LOG.key when none is named."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find any change, cut or insertion in a log: walk its chain to the end that is kept apart from it.

    Ends with 0 if the log is whole, 1 if it was tampered with or damaged, 3 if events were lost and it says so itself.

    Example: geo-backup audit verify geo_backup.sqlite --key installation.pub
    """
    from geo_backup.eventlog.proof import prove
    from geo_backup.eventlog.signing import public_of

    keys = [public_of(one) for one in key or ()]
    with progress_bar() as progress:
        bar = progress.add_task("audit", total=None)
        proof = prove(log, keys, lambda done, total: progress.update(bar, completed=done, total=total))
    if as_json:
        print(json.dumps({**asdict(proof), "words": proof.words}))
    else:
        counts = f"{so_many(proof.events, 'event')} under {so_many(proof.links, 'link')}"
        print(counts + "".join(f", {n:,} {what}" for n, what in ((proof.purged, "purged"), (proof.lost, "lost")) if n))
        for line in proof.noted:
            print(f"note: {line}")
        for line in proof.wrong:
            print(f"WRONG: {line}")
        print(f"{proof.words}; signed with {proof.key or 'no key'}")
    if proof.wrong or proof.lost:
        raise typer.Exit(1 if proof.wrong else 3)


@audit_app.command("who")
def audit_who(
    unit_id: Annotated[str, typer.Argument(help="The unit.")],
    log: LogOption = Path("geo_backup.sqlite"),
    since: Annotated[str, typer.Option("--from", help="From when, such as 2026-11-23T12:00:00Z.")] = "",
    until: Annotated[str, typer.Option("--to", help="Until when.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Who could see a unit, who moved it, who sent it, in words.

    Example: geo-backup audit who P-17 --from 2026-11-23T12:00:00Z --to 2026-11-23T14:00:00Z
    """
    from geo_backup.audit.who import who
    from geo_backup.eventlog import open_log

    from_ms = _time("--from", since) if since else TIME_MS[0]
    to_ms = _time("--to", until) if until else TIME_MS[1]
    with closing(open_log(log, read_only=True)) as opened:
        lines = who(opened.read_all(), unit_id, from_ms, to_ms)
    looks(log, "history", f"unit:{unit_id}", *([f"{since}/{until}"] if since or until else ()))
    if as_json:
        print(json.dumps([asdict(line) for line in lines]))
        return
    for line in lines:
        print(line.words())
    if not lines:
        print(f"nobody had to do with {unit_id} in this time")


@audit_app.command("key")
def audit_key(log: LogArgument, key: KeyOption = None) -> None:
    """Print the public key that a log is signed with: keep it where nobody who can reach the log can change it.

    Example: geo-backup audit key geo_backup.sqlite > installation.pub
    """
    from geo_backup.eventlog.signing import public_of
    from geo_backup.eventlog.sqlite_chain import key_path

    file = key or key_path(log)
    if not file.exists():
        raise LogError(f"there is no key at {file}: it is made when the log is first written; name it with --key")
    print(public_of(file))


@log_app.command("backup")
def log_backup(log: LogArgument, out: Annotated[Path, typer.Argument(help="File to write; must not exist.")]) -> None:
    """Copy a log as it is now, also while its server runs. The key stays where it is.

    Example: geo-backup log backup geo_backup.sqlite /media/backup/monday.sqlite
    """
    from geo_backup.eventlog.copies import backup
    from geo_backup.people.roster import copy_roster, roster_beside

    with progress_bar() as progress:
        bar = progress.add_task("backup", total=None)
        last = backup(log, out, lambda done, total: progress.update(bar, completed=done, total=total))
    looks(log, "export", f"log:1..{last}")
    print(f"{out}: all up to event {last:,}; check it with `geo-backup audit verify`")
    if copy_roster(roster_beside(log), roster_beside(out)):
        print(f"{roster_beside(out)}: people and tokens, without which a restored server would be open to everybody")


@log_app.command("restore")
def log_restore(
    backup: Annotated[Path, typer.Argument(help="Backup of a log.")],
    log: Annotated[Path, typer.Argument(help="Log to make; must not exist.")],
    damaged: Annotated[bool, typer.Option("--damaged", help="Restore it though it is not what was recorded.")] = False,
    key: KeyOption = None,
) -> None:
    """Make a log of a backup. It gets an epoch of its own, so that nobody takes it for the log that went on.

    Example: geo-backup log restore /media/backup/monday.sqlite geo_backup.sqlite
    """
    from geo_backup.eventlog.copies import restore
    from geo_backup.people.roster import copy_roster, roster_beside

    with progress_bar() as progress:
        bar = progress.add_task("restore", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        done = restore(backup, log, damaged=damaged, key_file=key, progress=show)
    for line in done.wrong:
        print(f"WRONG: {line}")
    print(f"{log}: all up to event {done.last_seq:,} of {done.former_epoch}; it is now {done.epoch}")
    if copy_roster(roster_beside(backup), roster_beside(log)):
        print(f"{roster_beside(log)}: people and tokens")
    elif not roster_beside(log).exists():
        print("no people and tokens lie beside the backup: a server of this log is open to everybody on this machine")


@log_app.command("repair")
def log_repair(log: LogArgument, key: KeyOption = None) -> None:
    """Save what can be read of a damaged log; the damaged file is kept beside it. Stop its server first.

    Example: geo-backup log repair geo_backup.sqlite
    """
    from geo_backup.eventlog.repair import repair, repaired_fact

    done = repair(log, key_file=key)
    if not done.damage:
        print("nothing to repair: all of the file can be read, and it ends where it should")
        return
    records(log, key, repaired_fact(done, time.time_ns() // 1_000_000, me()))
    for line in done.damage:
        print(f"damage: {line}")
    saved = so_many(done.events, "event was", "events were")
    print(f"{saved} saved; the damaged file is {done.former}, SHA-256 {done.sha256}")
    for span in done.lost:
        print(f"lost: {span} ({span.size:,})")
    if done.links_lost:
        print(f"lost: {done.links_lost:,} links of the chain; `audit verify` cannot prove what they held together")


@log_app.command("acknowledge")
def log_acknowledge(
    log: LogArgument,
    reason: Annotated[str, typer.Option(help="What was found out, or done about it.")] = "",
    key: KeyOption = None,
) -> None:
    """Say that you know what a log says against itself: that it lost events, or that some were put in.

    The server then stops telling every page of it; `audit verify` tells of it for ever. Also while the server runs.

    Example: geo-backup log acknowledge geo_backup.sqlite --reason "disk replaced, restored copy kept"
    """
    from geo_backup.eventlog.doubts import doubts_of

    doubts = doubts_of(log)
    if not doubts:
        print("nothing to acknowledge: the log says nothing against itself that was not acknowledged")
        return
    for doubt in doubts:
        print(f"the log {doubt.words}")
    if not reason.strip():
        raise BadValueError("--reason", "missing", "say with --reason what was found out, or done about it")
    known = DoubtAcknowledged(
        received_ms=time.time_ns() // 1_000_000,
        said_by=me(),
        until_link=doubts[-1].link,
        words=tuple(doubt.words for doubt in doubts),
        reason=reason,
    )
    records(log, key, known)
    print("acknowledged")


@log_app.command("purge")
def log_purge(
    log: LogArgument,
    raw_fixes_days: Annotated[int, typer.Option(min=1, help=DAYS.format("positions of units on no incident"))] = 90,
    tracks_days: Annotated[int, typer.Option(min=1, help=DAYS.format("positions of units on an incident"))] = 1_826,
    decisions_days: Annotated[int, typer.Option(min=1, help=DAYS.format("incidents and decisions"))] = 1_826,
    audit_days: Annotated[int, typer.Option(min=1, help=DAYS.format("records of who did what"))] = 1_826,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take out of a log what is older than its class may stay, but for legal holds; the chain still proves the rest.

    Also while the server runs, which does it then, a little at a time.

    Example: geo-backup log purge geo_backup.sqlite --raw-fixes-days 30 --dry-run
    """
    from geo_backup.eventlog.retention import Terms

    terms = Terms(raw_fixes_days, tracks_days, decisions_days, audit_days)
    done = _purged(log, key, terms, dry_run)
    if as_json:
        print(json.dumps({**asdict(done), "dry_run": dry_run}))
        return
    table = Table(title="would go" if dry_run else "purged")
    for heading in ("class", "days", "goes" if dry_run else "gone", "stays"):
        table.add_column(heading)
    for name, days in terms._asdict().items():
        table.add_row(name.replace("_", " "), str(days), f"{done.counts[name]:,}", f"{done.kept[name]:,}")
    Console().print(table)
    print(f"up to event {done.until_seq:,}, the newest checkpoint; {done.held:,} old events stay by legal hold")


def _purged(log: Path, key: Path | None, terms: Terms, dry_run: bool) -> Purge:
    """By this process, or by the server that writes the log."""
    from geo_backup.eventlog.purge import purge, purged_fact
    from geo_backup.eventlog.retention import Purge

    now_ms = time.time_ns() // 1_000_000
    with progress_bar() as progress:
        bar = progress.add_task("purge", total=None)
        try:
            done = purge(
                log,
                terms,
                now_ms,
                dry_run=dry_run,
                key_file=key,
                progress=lambda n, total: progress.update(bar, completed=n, total=total),
            )
        except LogHeldError:
            ask = json.dumps({"purge": terms._asdict(), "by": me()}).encode()
            return Purge(**json.loads(asks(log, ask, PURGE_WITHIN_S)))
    if done.events and not dry_run:
        records(log, key, purged_fact(done, terms, now_ms, me()))
    return done


@log_app.command("hold")
def log_hold(
    log: LogArgument,
    hold_id: Annotated[str, typer.Argument(help="A name for the hold, by which it is lifted.")],
    incident: Annotated[str, typer.Option(help="Incident that is kept, with the tracks of its units.")] = "",
    unit: Annotated[str, typer.Option(help="Unit of which everything is kept.")] = "",
    begin: Annotated[str, typer.Option("--from", help="ISO time from which the unit is kept.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO time until which the unit is kept.")] = "",
    reason: Annotated[str, typer.Option(help="Case or court order.")] = "",
    key: KeyOption = None,
) -> None:
    """Keep what a log holds of an incident, or of a unit between two times, whatever its age, beside a server too.

    Example: geo-backup log hold geo_backup.sqlite case-7 --incident i1 --reason "court order 4711"
    """
    if bool(incident) == bool(unit):
        raise BadValueError("--incident", "missing", "name an incident with --incident, or a unit with --unit")
    from_ms = _time("--from", begin) if begin else TIME_MS[0]
    to_ms = _time("--to", end) if end else TIME_MS[1]
    if not reason.strip():
        raise BadValueError("--reason", "missing", "say why with --reason: the case, or the court order")
    if from_ms >= to_ms:
        raise BadValueError("--to", "order", "--to lies before --from: nothing would be kept")
    named, holds = _named_in(log)
    if (incident or unit) not in named:
        what = f"incident {incident!r}" if incident else f"unit {unit!r}"
        raise BadValueError("--incident", "unknown", f"the log knows of no {what}: look for its exact name")
    if hold_id in holds:
        raise BadValueError("HOLD_ID", "taken", f"a hold {hold_id!r} stands already: choose another name")
    now_ms = time.time_ns() // 1_000_000
    placed = HoldPlaced(
        received_ms=now_ms,
        said_by=me(),
        hold_id=hold_id,
        incident_id=incident,
        unit_id=unit,
        from_ms=from_ms,
        to_ms=to_ms,
        by=me(),
        reason=reason,
    )
    records(log, key, placed)
    print(f"held: {hold_id}")


@log_app.command("release")
def log_release(
    log: LogArgument,
    hold_id: Annotated[str, typer.Argument(help="The hold's name.")],
    reason: Annotated[str, typer.Option(help="Why it ends.")] = "",
    key: KeyOption = None,
) -> None:
    """End a legal hold: what it kept is purged when it is old enough. Also while the server runs.

    Example: geo-backup log release geo_backup.sqlite case-7 --reason "case closed"
    """
    holds = _named_in(log)[1]
    if hold_id not in holds:
        there = ", ".join(sorted(holds)) or "none"
        raise BadValueError("HOLD_ID", "unknown", f"no hold {hold_id!r} stands; those that do: {there}")
    now_ms = time.time_ns() // 1_000_000
    records(log, key, HoldLifted(received_ms=now_ms, said_by=me(), hold_id=hold_id, by=me(), reason=reason))
    print(f"lifted: {hold_id}")


def _named_in(log: Path) -> tuple[set[str], set[str]]:
    """Units and incidents that a log knows of, and the holds that stand in it."""
    from geo_backup.eventlog import open_log

    named: set[str] = set()
    holds: set[str] = set()
    with closing(open_log(log, read_only=True)) as opened:
        for _, event in opened.read_all():
            if isinstance(event, HoldPlaced):
                holds.add(event.hold_id)
            elif isinstance(event, HoldLifted):
                holds.discard(event.hold_id)
            else:
                named.update(str(getattr(event, name, "")) for name in ("unit_id", "incident_id", "emergency_id"))
    return named, holds


def _time(option: str, text: str) -> int:
    from geo_backup.wire.times import to_ms

    try:
        return to_ms(text)
    except ValueError as error:
        raise BadValueError(option, "time", f"{option} {error}") from None
