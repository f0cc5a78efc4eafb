/** The documents of the wire as the contract (geo_backup/wire/CONTRACT.md) names them; what this page does not read is left out. */
import type { Feature, FeatureCollection, Geometry, LineString, MultiLineString } from "geojson";

export type Freshness = "live" | "delayed" | "stale" | "lost";
export type Mode = "live" | "simulated" | "replay";
export type LonLat = [number, number];
/** lon, lat, speed_mps, course_deg, fix_ms, parked */
export type Position = [number, number, number | null, number | null, number, 0 | 1];
/** Ages in ms beyond which a position is no longer live, delayed, stale. */
export type Limits = [number, number, number];
export interface KindLimits {
  moving_ms: Limits;
  parked_ms: Limits;
}
/** For all units, and by kind where it is otherwise. */
export interface FreshnessLimits extends KindLimits {
  kinds: Record<string, KindLimits>;
}

export interface Unit {
  unit_id: string;
  callsign: string;
  agency: string;
  kind: string;
  capabilities: string[];
  /** As its kind, its capabilities or its agency tell; empty where none does. */
  discipline: "" | "police" | "fire" | "ems";
  status: string;
  /** Since when it does. */
  status_time?: string;
  crew?: { capabilities: string[] }[] | null;
  shift_ends?: string | null;
  source: string;
  incident_id: string | null;
  emergency_id?: string | null;
  /** Its fix lies outside the map. */
  off_map?: boolean;
  /** The device that it is shown by; empty: it has no name. */
  device_id: string;
  /** The beats and closures that it is in, as `beat:ID` and `closure:ID`. */
  inside: string[];
  /** Since when, in that order. */
  inside_since: string[];
}

/** A tracker, and how it was last heard. */
export interface Device {
  device_id: string;
  unit_id: string | null;
  address: string;
  clock_behind_s: number | null;
  flags: string[];
}

/** A message of a tracker that nobody could use. */
export interface SetAside {
  at_time: string;
  way: string;
  device: string;
  reason: string;
  message: string;
}

/** What somebody may do, as the table of the server names it. */
export type Right =
  | "look" | "look_ahead" | "look_around" | "look_back" | "drive_times" | "report" | "press" | "take" | "respond" | "dispatch"
  | "close_roads" | "traffic" | "clear" | "lead" | "fleet" | "setup" | "steer" | "read_log" | "measure";

/** Who is signed in; `own` are the rights that hold for their own units only. */
export interface Session {
  /** Nobody is configured: whoever reaches the server may do everything. */
  open: boolean;
  speaker: { said_by: string; name: string; roles: string[]; unit_ids: string[] } | null;
  until?: string | null;
  rights: Right[];
  own: Right[];
  topics: string[];
  ways: string[];
  /** What the identity provider is called, where there is one. */
  provider?: string;
  csrf?: string;
  idle_s?: number | null;
}
/** What lets one phone in as a unit's, once; `qr` is a picture of `url` (SVG). */
export interface PageCode {
  unit_id: string;
  code: string;
  url: string;
  until: string;
  qr: string;
}
export type SignIn = { person_id: string; password: string; code: string } | { token: string };

/** Something that is wrong with the server, in words that say what to do. */
export interface Condition {
  name: string;
  words: string;
  since: string;
}

/** An officer in danger: consoles sound while `alarms`; it stands until the unit or a supervisor clears it. */
export interface Emergency {
  alarms: boolean;
  stands: boolean;
  placed_by: "fix" | "alert" | "home" | "nothing";
  presses: number;
  /** Whether it is sure who pressed. */
  verified: boolean;
  pressed_time: string;
  acknowledged: { by: string; at: string }[];
}

export type EmergencyEnd = { by: "unit"; word: string } | { by: "supervisor"; who?: string; reason: string };

/** What is sent to assign a unit. */
export interface NewAssignment {
  unit_id: string;
  as_of_seq?: number;
  as_of_time?: string;
  replaces?: string;
  preempt?: true;
  reason?: string;
}

export interface Assignment {
  unit_id: string;
  state: string;
  at: string;
  source: string;
}

/** What is sent to open an incident. */
export interface NewIncident {
  incident_id: string;
  lon: number;
  lat: number;
  priority: number;
  kind?: string;
  note?: string;
  place?: string;
  callback?: string;
  level?: number;
  profile?: string;
}

/** What can be changed of an incident that stands; a place is `lon`, `lat` and its words. */
export interface IncidentPatch {
  lon?: number;
  lat?: number;
  priority?: number;
  kind?: string;
  level?: number;
  agency?: string;
  place?: string;
  callback?: string;
}

/** A place that a text may mean, and what of the text was not found. */
export interface FoundPlace {
  kind: string;
  name: string;
  lon: number;
  lat: number;
  category: string;
  town: string;
  also: string;
  /** Where it lies, by its streets, where another one is called so. */
  beside: string;
  matched: "exact" | "close" | "part";
  missing: string;
  unknown_words: string[];
  /** What one has to know before going in. */
  hazard: string;
  distance_m: number;
}

export interface Places {
  places: FoundPlace[];
}

export interface PlaceName {
  name: string;
}

/** So many units that are asked for and do not come; `free_others` are free and cannot do it. */
export interface Lacking {
  capability: string;
  count: number;
  need: string;
  why: string;
  free_others: Record<string, number>;
  /** Who could do it, by the reason why they do not come. */
  excluded_counts: Record<string, number>;
}

export interface NewNote {
  text: string;
  note_id: string;
}

/** What a request for backup is answered with at once. */
export interface BackupAnswer {
  units: { unit_id: string }[];
  unmet: { capability: string; count: number; need: "must" | "want" }[];
}

/** Something that was said of an incident. */
export interface Note {
  note_id: string;
  at: string;
  by: string;
  text: string;
}

export interface Incident {
  incident_id: string;
  /** False while part of it, an emergency or a press of it, could not be written to the log. */
  recorded?: boolean;
  /** Grows with each fact that somebody makes about it. */
  version: number;
  lon: number;
  lat: number;
  priority: number;
  kind: string;
  /** What was said first; `notes` came later. */
  note: string;
  /** The newest, oldest first. */
  notes: Note[];
  notes_total: number;
  /** Where it is, in words; empty: it has coordinates only. */
  place: string;
  callback: string;
  profile: string;
  agency: string;
  level: number;
  exercise: boolean;
  for_unit_id: string | null;
  pinned: boolean;
  opened_time: string;
  closed_time: string | null;
  state: string;
  assignments: Assignment[];
  /** Whom its end released, and what they were doing there. */
  released?: { unit_id: string; state: string }[];
  emergency?: Emergency | null;
  /** How backup is asked for; null: it is not. */
  mode?: BackupMode | null;
  requirement?: Need[];
  /** The run card that it was asked by; empty: by none. */
  run_card: string;
  /** By when planned backup is to be there. */
  arrive_by?: string | null;
  recommended?: { decision_id: string; as_of_time: string; mode: BackupMode; proven: boolean; units: { unit_id: string; eta_s: number }[]; swaps: Swap[] } | null;
}

/** A unit that would be there much sooner than one that is on its way. */
export interface Swap {
  unit_id: string;
  replaces: string;
  gain_s: number;
}

export type BackupMode = "immediate" | "delayed" | "strategic";

export interface Need {
  capability: string;
  count: number;
  need: "must" | "want";
  substitutes: string[];
  /** They wait near the scene until they are called in. */
  staged?: boolean;
}

/** A recommendation with all it was made of; `words` tell it. `candidates`: who could go, soonest first, with the `reason`
 * for which a unit may not. */
export interface Decision {
  decision_id: string;
  incident_id: string;
  times: Times;
  units: { unit_id: string; eta_s: number; low_s: number; p90_s: number; fills: string[]; staged: boolean; preempts: string | null; price: number | null; price_words: string }[];
  unmet: { capability: string; count: number; need: "must" | "want" }[];
  candidates: { unit_id: string; rank: number; eta_s: number; parts: Parts; price: number; capabilities: string[]; preempts: string | null; reason: string | null }[];
  words: string;
}

export interface RunCard {
  name: string;
  about: string;
  kinds: string[];
  mode: BackupMode;
  /** Of an incident that is opened with its kind; null: as its mode has it. */
  priority: number | null;
  /** How units drive there; empty: as usual. */
  profile: string;
  levels: { level: number; needs: Need[] }[];
}

/** What a unit's time is made of. */
export interface Parts {
  turnout_s: number;
  clear_s: number;
  first_leg_s?: number;
  drive_s: number;
  last_leg_s: number;
  /** What drives take beyond what the roads say, as measured. */
  overhead_s?: number;
  /** In words, what the learned pace makes of the drive. */
  pace?: string;
}

/** How far times can be trusted: as is assumed, or as so many drives have shown. */
export interface Times {
  state: "assumed" | "measured";
  drives: number;
}

/** Eight of ten such units arrive between the two, nine of ten by the later. */
export interface Within {
  low_s: number;
  p90_s: number;
}

export interface Candidate extends Within {
  unit_id: string;
  eta_s: number;
  parts: Parts;
  arrival_time: string;
  distance_m: number;
  status: string;
  freshness: Freshness;
  warnings: string[];
}

export interface Ranking {
  incident_id: string;
  as_of_seq: number;
  as_of_time: string;
  times: Times;
  /** What drives have taught, where the incident is; null: nothing yet. */
  pace: { words: string } | null;
  candidates: Candidate[];
  candidates_total?: number;
  assigned: { unit_id: string; state: string; eta_s: number | null; low_s: number | null; p90_s: number | null }[];
  excluded_counts?: Record<string, number>;
  /** What nobody fills. */
  missing?: Lacking[];
  /** `closure_ids`: in the order in which the way would meet them. */
  excluded?: { unit_id: string; reason: string; closure_ids?: string[] }[];
  warnings?: string[];
}

/** Roads under a drawn shape, or named by their numbers on this map. */
export type ClosureGeometry = Geometry | { edges: number[] };
export type Levels = "top" | "all" | number[];

export interface NewClosure {
  closure_id: string;
  geometry: ClosureGeometry;
  buffer_m?: number;
  levels?: Levels;
  reason: string;
  applies_to: "all" | "routine";
  slow_factor?: number;
  valid_from?: string;
  valid_to?: string;
}

export interface Closure {
  closure_id: string;
  geometry: ClosureGeometry;
  buffer_m: number;
  levels: Levels;
  reason: string;
  valid_from: string | null;
  valid_to: string | null;
  applies_to: "all" | "routine";
  /** null: closed. */
  slow_factor: number | null;
  edges: number;
  /** Edges in the shape that stay open, being of another level. */
  edges_spared: number;
  levels_in_shape: number[];
  streets: string[];
  added_time: string;
}

/** A piece of road near a place: both directions of it. */
export interface Road {
  edges: number[];
  name: string;
  level: number;
  length_m: number;
  distance_m: number;
  geometry: LineString;
}

export interface Area {
  name: string;
  extent: [number, number, number, number];
  /** Where most junctions are. */
  town: [number, number, number, number];
  timezone: string;
  attribution: string;
  licence: string;
  network_id: string;
  has_basemap: boolean;
}

export interface ReplayClock {
  now_ms: number;
  speed: number;
  playing: boolean;
  start_ms: number;
  end_ms: number;
  /** West, south, east, north of where the recorded units drive; null: nothing is recorded here. */
  extent?: [number, number, number, number] | null;
}

export type Route = Feature<Geometry, { unit_id?: string; eta_s?: number; distance_m?: number; streets?: string[]; steps?: { instruction: string; distance_m: number; name: string }[]; pace?: string }>;
export type Reach = FeatureCollection<Geometry, { minutes: number }>;
export type ClosedRoads = Feature<MultiLineString, { closure_id: string; whole: boolean }>;

/** How well the free units cover the area: the chance that the next call finds one in time. */
export interface Cover {
  target_s: number;
  cover: number;
  free_units: number;
  double: { twice_within_r1: number };
  beats: { beat_id: string; free: number; floor: number; cover: number; last_unit: string | null }[];
  /** What the area loses by each free unit; without words where that is little. */
  units: { unit_id: string; cover_lost: number; price_words: string }[];
  places: FeatureCollection<Geometry, { demand: number; units: number }>;
}

export interface PlanPost {
  post_id: string;
  lon: number;
  lat: number;
  needs: { capability: string; count: number }[];
}

export interface NewPlan {
  plan_id: string;
  name: string;
  kind: "operation" | "presence";
  arrive_by: string;
  ends: string;
  posts: PlanPost[];
}

export interface Plan extends NewPlan {
  state: "draft" | "approved" | "active" | "cancelled";
  approved_by: string;
  schedule?: { post_id: string; unit_id: string; fills: string[]; leave_time: string; late: boolean }[];
  unmet?: { post_id: string; capability: string; count: number; need: string }[];
  cover_by_hour?: { hour: string; cover: number; cover_without: number }[];
}

/** Something that happened, who said so, and its values. */
export interface Moment {
  /** null: positions told it. */
  seq: number | null;
  at: string;
  received_time: string;
  what: string;
  said_by: string;
  unit_id: string | null;
  incident_id: string | null;
  values: Record<string, unknown>;
}

/** Where a unit was. A fix is lon, lat, speed_mps, course_deg, fix_ms, accuracy_m, late_ms. */
export interface Track {
  unit_id: string;
  fixes: (number | null)[][];
  moments: Moment[];
}

/** What happened in an incident, oldest first; `whole` is false where older moments are left out. */
export interface Timeline {
  incident_id: string;
  opened_time: string;
  closed_time: string | null;
  whole: boolean;
  moments: Moment[];
}

/** What somebody should have said or done by now. */
export interface Timer {
  timer_id: string;
  rule: "acknowledge" | "late" | "welfare" | "unattended" | "message";
  level: "quiet" | "loud";
  /** Empty where it is of a message that is of no incident. */
  incident_id: string;
  message_id: string | null;
  unit_id: string | null;
  since: string;
  due_time: string;
  loud_time: string;
  /** When a unit that is late was to be there. */
  expected_time: string | null;
  exercise: boolean;
  acknowledged: { by: string; at: string } | null;
}

/** A short text from a desk to units, and what each of them said to it. */
export interface DeskMessage {
  message_id: string;
  text: string;
  to: "units" | "incident" | "all";
  incident_id: string | null;
  urgent: boolean;
  sent_time: string;
  sent_by: string;
  recipients: Recipient[];
}

export interface Recipient {
  unit_id: string;
  shown_time: string | null;
  acknowledged_time: string | null;
  by: string;
}

export interface NewMessage {
  message_id: string;
  text: string;
  to: "units" | "incident" | "all";
  unit_ids?: string[];
  incident_id?: string;
  urgent: boolean;
}

/** What whoever takes over must know, as of one moment. */
export interface Handover {
  as_of_time: string;
  since_time: string;
  incidents: Incident[];
  units: OnDuty[];
  promised: { incident_id: string; unit_id: string; state: string; promised_time: string | null; exercise: boolean }[];
  closures: Closure[];
  plans: Plan[];
  timers: Timer[];
  /** Those that ended in the shift, the last opened first. */
  finished: Incident[];
  finished_more: boolean;
}

export interface OnDuty {
  unit_id: string;
  callsign: string;
  status: string;
  status_time: string;
  incident_id: string | null;
  emergency_id: string | null;
  lon: number | null;
  lat: number | null;
  /** What the place of its last fix is called. */
  place: string;
  fix_time: string | null;
  freshness: Freshness;
  inside: string[];
}

/** A value replaces the former whole, null removes it. */
export type Changes<T> = Record<string, T | null>;

export interface Maps {
  units: Changes<Unit>;
  positions: Changes<Position>;
  incidents: Changes<Incident>;
  rankings: Changes<Ranking>;
  closures: Changes<Closure>;
  timers: Changes<Timer>;
  messages: Changes<DeskMessage>;
}

/** Everything at a moment of the past, as the feed told it then, and when the log begins. */
export type Past = { epoch: string; seq: number; mode: Mode; area: Area; freshness: FreshnessLimits; past: { begins: string } } & Partial<Maps>;

/** All that the feed says. */
export type Message =
  | ({ type: "snapshot"; epoch: string; seq: number; mode: Mode; area: Area; freshness: FreshnessLimits } & Maps)
  | { type: "resumed"; epoch: string; seq: number; freshness: FreshnessLimits }
  | { type: "freshness"; freshness: FreshnessLimits }
  | ({ type: "frame"; seq: number } & Partial<Maps>)
  | { type: "heartbeat"; seq: number; server_time: string }
  | ({ type: "clock" } & ReplayClock)
  /** Who else has which incident open; a name is empty where nobody is signed in. */
  | { type: "present"; incidents: Record<string, string[]> }
  /** Units that a message waits for and nothing could show it to. */
  | { type: "no_phone"; units: string[] }
  /** `elsewhere`: where a desk goes on when this server is gone. */
  | { type: "health"; conditions: Condition[]; elsewhere?: string[] }
  | { type: "error"; message: string };
