"""Commands that prove a log and keep it: the chain and its key, purges, copies."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from geo_backup.cli.terminal import JsonOption, audit_app, progress_bar

LogArgument = Annotated[Path, typer.Argument(help="Event log.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", envvar="GEO_BACKUP_LOG_KEY", help="Key file; LOG.key when none is named.")
]


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
        counts = f"{proof.events:,} events under {proof.links:,} links"
        print(counts + "".join(f", {n:,} {what}" for n, what in ((proof.purged, "purged"), (proof.lost, "lost")) if n))
        for line in proof.noted:
            print(f"note: {line}")
        for line in proof.wrong:
            print(f"WRONG: {line}")
        print(f"{proof.words}; signed with {proof.key or 'no key'}")
    if proof.wrong or proof.lost:
        raise typer.Exit(1 if proof.wrong else 3)


@audit_app.command("key")
def audit_key(log: LogArgument, key: KeyOption = None) -> None:
    """Print the public key that a log is signed with: keep it where nobody who can reach the log can change it.

    Example: geo-backup audit key geo_backup.sqlite > installation.pub
    """
    from geo_backup.eventlog.signing import Signer
    from geo_backup.eventlog.sqlite_chain import key_path

    print(Signer.of(key or key_path(log)).public)
