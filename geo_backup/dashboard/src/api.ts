/** Requests to the server; a refused one becomes a Problem whose message is words for people. */
import { words } from "./words";
import type { Geometry } from "geojson";
import type { BackupAnswer, BackupMode, ClosedRoads, Closure, Cover, Decision, Device, DeskMessage, EmergencyEnd, Handover, Incident, IncidentPatch, LonLat, NewAssignment, NewClosure, NewIncident, NewMessage, NewNote, NewPlan, PageCode, Past, PlaceName, Places, Plan, Ranking, Reach, ReplayClock, Road, Route, RunCard, Session, SetAside, SignIn, Timeline, Timer, Track } from "./wire";

/** What is wrong with one field; where somebody else changed it meanwhile, also how. */
export interface Fault {
  field?: string;
  reason?: string;
  message?: string;
  value?: unknown;
  by?: string;
  at?: string;
  /** Of a unit that somebody else has sent. */
  unit_id?: string;
  incident_id?: string;
}

export class Problem extends Error {
  readonly status: number;
  readonly errors: Fault[];
  constructor(status: number, message: string, errors: Fault[] = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }

  /** No answer came: it may have been done all the same. */
  get unsure(): boolean {
    return this.status === 0;
  }
}

/** What the server told this page alone, and wants to hear with whatever changes something: another site cannot know it. */
let csrf = "";

/** What this page says of itself with each request: an officer's page is another one than a desk's in the same browser. */
export const page: { headers: Record<string, string> } = { headers: {} };

/** Whoever wants to know what was ordered, by whatever key or click. */
export const orders: { heard?: (method: string, path: string, body: unknown) => void } = {};

/** Why nothing may be ordered now; empty: it may. */
export const held: { why: () => string } = { why: () => "" };
/** Whoever only looks still says so, and steers what is looked at. */
const LOOKS = /^\/v1\/(session|replay)/;

/** Asks what would be done, and does nothing. */
const ASKS = /\?look=true$/;

interface ProblemBody {
  title?: string;
  detail?: string;
  errors?: Fault[];
}

const WITHIN_MS = 10_000;

async function request<T>(method: string, path: string, body?: unknown, retries = 0, madeOn?: number, within_ms = WITHIN_MS): Promise<T> {
  const why = method === "GET" || LOOKS.test(path) ? "" : held.why();
  if (why) throw new Problem(409, why);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...page.headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(madeOn === undefined ? {} : { "if-match": `"${madeOn}"` }),
        ...(csrf && method !== "GET" ? { "x-csrf-token": csrf } : {}),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(within_ms),
    });
  } catch {
    if (retries > 0) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      return request(method, path, body, retries - 1, madeOn, within_ms);
    }
    throw new Problem(0, method === "GET" || ASKS.test(path) ? words.wrong.silence : words.link.unsure);
  }
  if (response.ok && method !== "GET") orders.heard?.(method, path, body);
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as ProblemBody;
  const said = (problem.errors ?? []).map(({ reason, message }) => words.wrong.refusals[reason ?? ""] ?? message).filter(Boolean).join(" ");
  throw new Problem(response.status, said || problem.detail || problem.title || words.wrong.answered(response.status), problem.errors ?? []);
}

/** Ids made here make a repeated request harmless. */
export function newId(prefix: string): string {
  const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return `${prefix}-${Array.from(bytes, (byte) => letters[byte % letters.length]).join("")}`;
}

const emergencyAt = (emergency: string) => `/v1/emergencies/${encodeURIComponent(emergency)}`;
const at = (incident: string) => `/v1/incidents/${encodeURIComponent(incident)}`;

const unitAt = (unit: string) => `/v1/units/${encodeURIComponent(unit)}`;

async function sessionOf(asked: Promise<Session>): Promise<Session> {
  const session = await asked;
  csrf = session.csrf ?? "";
  return session;
}

export const api = {
  session: () => sessionOf(request<Session>("GET", "/v1/session")),
  signIn: (shown: SignIn) => sessionOf(request<Session>("POST", "/v1/session", shown)),
  /** The code that a phone has scanned at a desk. */
  openUnitPage: (code: string) => sessionOf(request<Session>("POST", "/v1/session/unit", { code })),
  // what an officer's page says, perhaps long after it was pressed
  report: (positions: object[], within_ms: number) => request<unknown>("POST", "/v1/positions", { positions }, 0, undefined, within_ms),
  cry: (body: object, within_ms: number) => request<unknown>("POST", "/v1/emergencies", body, 0, undefined, within_ms),
  sayStatus: (unit: string, body: object, within_ms: number) => request<unknown>("PUT", `${unitAt(unit)}/status`, body, 0, undefined, within_ms),
  sayProgress: (id: string, unit: string, body: object, within_ms: number) =>
    request<unknown>("PATCH", `${at(id)}/assignments/${encodeURIComponent(unit)}`, body, 0, undefined, within_ms),
  answer: (id: string, body: object, within_ms: number) => request<unknown>("POST", `/v1/messages/${encodeURIComponent(id)}/acknowledge`, body, 0, undefined, within_ms),
  callBackup: (unit: string, body: object, within_ms: number) => request<unknown>("POST", `${unitAt(unit)}/backup`, body, 0, undefined, within_ms),
  pageCode: (unit: string) => request<PageCode>("POST", `${unitAt(unit)}/page_code`),
  phones: (unit: string) => request<{ phones: { phone_id: string; until: string | null }[] }>("GET", `${unitAt(unit)}/phones`),
  endPhones: (unit: string) => request<unknown>("DELETE", `${unitAt(unit)}/phones`),
  signOut: () => request<unknown>("DELETE", "/v1/session"),
  active: () => request<unknown>("POST", "/v1/session/active"),
  openIncident: (opened: NewIncident) => request<Incident>("POST", "/v1/incidents", opened, 2),
  incident: (id: string) => request<Incident>("GET", at(id)),
  /** Refused (412) where somebody has changed one of these fields after the version that it was made on. */
  changeIncident: (id: string, change: IncidentPatch, madeOn?: number) => request<Incident>("PATCH", at(id), change, 0, madeOn),
  note: (id: string, note: NewNote) => request<Incident>("POST", `${at(id)}/notes`, note, 2),
  closeIncident: (id: string) => request<Incident>("POST", `${at(id)}/close`),
  reopen: (id: string) => request<Incident>("POST", `${at(id)}/reopen`),
  ranking: (id: string, limit: number) => request<Ranking>("GET", `${at(id)}/ranking?limit=${limit}`),
  route: (id: string, unit: string) => request<Route>("GET", `${at(id)}/route?unit_id=${encodeURIComponent(unit)}`),
  reach: (id: string, minutes: readonly number[]) => request<Reach>("GET", `${at(id)}/reach?minutes=${minutes.join(",")}`),
  assign: (id: string, assignment: NewAssignment) =>
    request<unknown>("POST", `${at(id)}/assignments`, assignment),
  askBackup: (id: string, ask: { mode?: BackupMode; units?: number; run_card?: string; arrive_by?: string }) => request<BackupAnswer>("POST", `${at(id)}/backup`, ask),
  decision: (id: string) => request<Decision>("GET", `/v1/decisions/${encodeURIComponent(id)}?limit=30`),
  staging: (id: string) => request<{ features: { geometry: { coordinates: LonLat }; properties: { eta_s: number } }[] }>("GET", `${at(id)}/staging?count=3`),
  places: (text: string, limit: number, near?: LonLat) =>
    request<Places>("GET", `/v1/places?q=${encodeURIComponent(text)}&limit=${limit}${near ? `&near=${near.join(",")}` : ""}`),
  placeName: (lon: number, lat: number) => request<PlaceName>("GET", `/v1/places/name?lon=${lon}&lat=${lat}`),
  cover: () => request<Cover>("GET", "/v1/cover"),
  moves: () => request<{ moves: { unit_id: string; words: string }[] }>("GET", "/v1/cover/moves"),
  plans: () => request<{ plans: Plan[] }>("GET", "/v1/plans"),
  plan: (id: string) => request<Plan>("GET", `/v1/plans/${encodeURIComponent(id)}`),
  makePlan: (plan: NewPlan) => request<Plan>("POST", "/v1/plans", plan, 2),
  turnPlan: (id: string, turn: "approve" | "activate" | "cancel", body: object) =>
    request<Plan>("POST", `/v1/plans/${encodeURIComponent(id)}/${turn}`, body),
  runCards: () => request<{ run_cards: RunCard[] }>("GET", "/v1/run_cards"),
  setAssignment: (id: string, unit: string, state: string) =>
    request<unknown>("PATCH", `${at(id)}/assignments/${encodeURIComponent(unit)}`, { state }),
  roadsNear: ([lon, lat]: LonLat) => request<{ network_id: string; roads: Road[] }>("GET", `/v1/roads/near?lon=${lon}&lat=${lat}`),
  /** What a closure would close, and nothing is closed. */
  wouldClose: (closure: NewClosure) => request<Closure>("POST", "/v1/closures?look=true", closure, 2),
  close: (closure: NewClosure) => request<Closure>("POST", "/v1/closures", closure, 2),
  /** Of a closure that stands, or stood at a time. */
  closedRoads: (closure: string, at = "") => request<ClosedRoads>("GET", `/v1/closures/${encodeURIComponent(closure)}/roads?${at && "at=" + at}`),
  lift: (closure: string) => request<unknown>("DELETE", `/v1/closures/${encodeURIComponent(closure)}`),
  declare: (unit_id: string, emergency_id: string) =>
    request<Incident>("POST", "/v1/emergencies", { unit_id, emergency_id, source: "desk" }, 2),
  acknowledge: (id: string, by?: string) => request<Incident>("POST", `${emergencyAt(id)}/acknowledge`, by === undefined ? {} : { by }),
  message: (message: NewMessage) => request<DeskMessage>("POST", "/v1/messages", message, 2),
  messages: () => request<{ messages: DeskMessage[] }>("GET", "/v1/messages"),
  heard: (id: string, unit_id: string) => request<DeskMessage>("POST", `/v1/messages/${encodeURIComponent(id)}/acknowledge`, { unit_id }),
  seeTimer: (id: string, by?: string) => request<Timer>("POST", `/v1/timers/${encodeURIComponent(id)}/acknowledge`, by === undefined ? {} : { by }),
  clearEmergency: (id: string, end: EmergencyEnd) => request<Incident>("POST", `${emergencyAt(id)}/clear`, end),
  setStatus: (unit: string, status: string) => request<unknown>("PUT", `${unitAt(unit)}/status`, { status }),
  /** The hour before a time. */
  track: (unit: string, to: string) => request<Track>("GET", `${unitAt(unit)}/track?to=${to}`),
  /** Everything as it was known at a time; `topics` empty: only how far back the log goes. */
  past: (at: string, incident: string, topics?: "") => request<Past>("GET", `/v1/past?at=${at}&incident_id=${encodeURIComponent(incident)}${topics === "" ? "&topics=" : ""}`),
  timeline: (id: string) => request<Timeline>("GET", `${at(id)}/timeline`),
  /** Finished incidents since then that have all these words. */
  finished: (q: string, from: string, limit: number) =>
    request<{ incidents: Incident[] }>("GET", `/v1/incidents?state=closed&from=${encodeURIComponent(from)}&q=${encodeURIComponent(q)}&limit=${limit}`),
  devices: () => request<{ devices: Device[] }>("GET", "/v1/devices"),
  /** What trackers sent and nobody could use, the newest first. */
  quarantine: () => request<{ quarantine: SetAside[]; total: number }>("GET", "/v1/quarantine"),
  handover: (since: string) => request<Handover>("GET", `/v1/handover?since=${encodeURIComponent(since)}`),
  etas: (target: LonLat, starts: LonLat[]) => request<{ etas_s: (number | null)[] }>("POST", "/v1/etas", { target, starts }),
  beats: () => request<{ features: { geometry: Geometry; properties: Record<string, unknown> }[] }>("GET", "/v1/beats"),
  replay: () => request<ReplayClock>("GET", "/v1/replay"),
  setReplay: (change: { playing?: boolean; speed?: number; time?: string }) => request<ReplayClock>("POST", "/v1/replay", change),
};
