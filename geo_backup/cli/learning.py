"""Commands that learn from recorded drives."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from geo_backup.cli import words
from geo_backup.cli.terminal import ColumnsOption, JsonOption, MapOption, TimezoneOption, app, progress_bar, show
from geo_backup.cli.tracks import recorded
from geo_backup.errors import BadValueError, TrackError


@app.command()
def learn(
    files: Annotated[list[Path], typer.Argument(help="Recorded drives, in any format that `replay` reads.")],
    map_folder: MapOption,
    profile_name: Annotated[str, typer.Option("--profile", help="The way of driving that they show.")] = "routine",
    from_model: Annotated[Path | None, typer.Option("--from", help="Go on from what was learned before.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write [default: pace/PROFILE.npz in the map's folder].")
    ] = None,
    layer: Annotated[Path | None, typer.Option(help="Write the roads with their pace as GeoJSON, too.")] = None,
    prequential: Annotated[
        bool, typer.Option("--prequential", help="Measure only: foretell each drive, then learn from it.")
    ] = False,
    columns: ColumnsOption = None,
    timezone: TimezoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from recorded drives how fast a city is driven, beyond what speed limits say.

    Each segment of a track is taken for one drive, on its way all the time: leave out patrols.

    Example: geo-backup learn trips.csv --map maps/porto
    """
    from geo_backup.lab.learning import MODELS, Learner, Model, drives_of, layer_of, said
    from geo_backup.lab.learning import prequential as foretell
    from geo_backup.roads.foretold import figures
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import profiles_of
    from geo_backup.rules import Rules

    network, rules = RoadNetwork.load(map_folder), Rules()
    profiles = profiles_of(network)
    if profile_name not in profiles:
        raise BadValueError("--profile", "profile", f"there is no {profile_name!r}; there are {', '.join(profiles)}")
    profile = profiles[profile_name]
    model = Model.load(from_model, network, profile) if from_model is not None else None
    tracks = recorded(files, columns, timezone)
    with progress_bar() as progress:
        bar = progress.add_task(words.MATCHING, total=float(sum(len(track.segments) for track in tracks)))
        now_ms = time.time_ns() // 1_000_000
        drives, others = drives_of(network, tracks, rules, lambda: progress.advance(bar), until_ms=now_ms)
        if not drives:
            raise TrackError(
                f"none of {others:,} tracks is a drive on this map: "
                "each has too few fixes, is off the roads, leaps or lies ahead of now"
            )
        learner = Learner(network, profile, rules, model)
        bar = progress.add_task(words.LEARNING, total=len(drives))
        told = foretell(learner, drives, prequential, lambda: progress.advance(bar))
    report = {**figures(told["road"]), "levels": {name: figures(rows) for name, rows in told.items()}}
    if not prequential:
        out = out or map_folder / MODELS / f"{profile_name}.npz"
    if out is not None:
        learner.model.save(out, network, profile)
    if layer is not None:
        layer.write_text(json.dumps(layer_of(learner)), encoding="utf-8")
    if as_json:
        print(json.dumps({**report, "segments_left_out": others, "learned": said(learner)}))
        return
    show(words.drives_taken(len(drives), others, learner.model.seconds))
    show(words.foretold(report["levels"]) if prequential else words.learned(said(learner)))
    if out is not None:
        show(words.model_written(out))
