"""Names that vulture finds unused because their users are no Python of this package. Each line says who uses them."""

# frameworks call these: hatchling, starlette, websockets' extensions, httptools, prometheus, expat, numba, pydantic
_.DashboardBuildHook
_.PLUGIN_NAME
_.initialize
_.build_data
_.available_extensions
_.on_chunk_header
_.collect
_.StartElementHandler
_.EndElementHandler
_.CharacterDataHandler
_.buffer_text
_._source_stamp
_.typing
_.on_connect_fail
_.model_config
_.trace
_.__getattr__
_.__signature__

# whoever uses the package calls these: the client, and what completes a set (profiles, why a road is shut)
_.open_incident
_.ask_backup
_.declare_emergency
_.RESPONSE
_.CLOSED

# tests of the engine aim with it: a target that is one place on one edge
_.on_edge

# fields that come or leave by `**`, `_asdict`, `asdict`, `fields` or their place, all of a row at once
_.count_map
_.count_map_by_hour
_.kilometres
_.main_share
_.maxspeed_share
_.names_share
_.restrictions_applied
_.restrictions_via_way
_.restrictions_conditional
_.restrictions_needless
_.restrictions_exempt
_.restrictions_malformed
_.restrictions_unmatched
_.twin_edges
_.reversible_ways
_.closed_ways
_.odd_access_ways
_.gates
_.locked_barriers
_.blocking_barriers
_.barriers_on_crossings
_.unknown_barriers
_.limited_ways
_.limits_on_crossings
_.contraflow_edges
_.all_stop
_.height_against_dm
_.width_against_dm
_.weight_against_100kg
_.turn_restrictions
_.fallback_speed_cells
_.annotation
_.weight_name
_.transport_ms
_.hospital_ms

# fields of documents that are written as keys, read by the page and by other programs: see the contract
_.eta_s
_.etas_s
_.drive_s
_.turnout_s
_.turnout_p90_s
_.turnout_from
_.clear_s
_.first_leg_s
_.last_leg_s
_.gain_s
_.low_s
_.p90_s
_.overhead_s
_.evidence_s
_.score_s
_.target_s
_.arrival_time
_.shown_time
_.acknowledged_time
_.recipients
_.added_time
_.pressed_time
_.cleared_time
_.opened_time
_.status_time
_.closed_time
_.leave_time
_.loaded_time
_.learned_time
_.low_share
_.p90_share
_.cells_known
_.roads_known
_.moving_ms
_.parked_ms
_.edges_spared
_.levels_in_shape
_.received_time
_.at_time
_.pinned_address
_.heard_time
_.clock_behind_s
_.from_time
_.to_time
_.next_time
_.server_time
_.due_time
_.expected_time
_.inside_since
_.since_time
_.sent_time
_.promised_time
_.finished_more
_.loud_time
_.closure_ids
_.place_known
_.substitutes_for
_.candidates_total
_.chosen_by_human
_.cover_by_hour
_.free_units
_.last_unit
_.has_basemap
_.not_declared
_.speaker
_.qr
_.phone_id
_.rights
_.csrf
_.key_named
_.operations
_.__class__

# who learns from drives reads which turns were made
_.part_turn

# the OwnTracks app reads these of its friends
_.tst
_.acc
_.vel
_.cog

# Starlette calls it
_.middleware_stack
