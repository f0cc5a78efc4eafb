/** One officer's unit: who this phone speaks for, what it has to say, and what is known of its incident. */
import { Problem, api, newId, page } from "../api";
import { chime } from "../desk/siren";
import { metres } from "../world/readings";
import { world } from "../world/world.svelte";
import { nothing, type Told } from "../world/merge";
import { words } from "../words/unit";
import type { DeskMessage, Incident, LonLat, Ranking, Route, Session, Unit } from "../wire";
import { forgetTiles, keep, kept } from "./kept";
import { knownOf } from "./known";
import { Outbox, type Fix, type Held, type Parcel, type Pressed } from "./outbox";
import { share } from "./sharing.svelte";

page.headers["x-unit-page"] = "1";
const FEED = "/v1/feed?page=unit";

const AGAIN_MS = 2_000;
/** An emergency is tried again sooner, and does not wait long for an answer. */
const URGENT_AGAIN_MS = 700;
const URGENT_WITHIN_MS = 4_000;
const WITHIN_MS = 10_000;
/** The way is asked for anew so seldom, and only where the unit has moved. */
const ROUTE_MS = 5_000;
const ROUTE_M = 15;
const KEEP_MS = 3_000;
/** A phone whose clock is wrong says times by the server's. */
const CLOCK_MS = 5_000;

/** `asking`: nobody has said yet. `out`: a code is needed. `over`: it was in, and is no more. */
export type Phase = "asking" | "out" | "over" | "in";

interface Who {
  unit: string;
  callsign: string;
  device: string;
}

/** The way to one incident: it is worth nothing for another. */
interface Way {
  incident: string;
  route: Route;
}

/** The code in an address, or in what was typed of it. */
const codeIn = (text: string): string | undefined => /^(?:.*#code=)?([\w-]{16,64})$/.exec(text.trim())?.[1];

class Officer {
  phase = $state<Phase>("asking");
  who = $state.raw<Who | null>(null);
  /** Why no phone is let in, in words. */
  trouble = $state("");
  /** What became of what was pressed last. */
  said = $state("");
  #box = new Outbox("");
  pressed = $state.raw<Pressed[]>([]);
  waiting = $state(0);
  #way = $state.raw<Way | null>(null);
  nowMs = $state(Date.now());
  #connected = false;
  #sending = false;
  /** Who this is was asked again since something was refused. */
  #looked = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  #routed: { at: LonLat; incident: string; ms: number } | null = null;
  #keptMs = 0;

  // what was kept is told to the world, so that nothing here asks whether there is a link
  #live = $derived(world.live.epoch !== null);
  unit = $derived<Unit | null>(world.units[this.who?.unit ?? ""] ?? null);
  /** What the unit works on, or what was opened for it. */
  incident = $derived<Incident | null>(this.#mine());
  ranking = $derived<Ranking | null>(world.rankings[this.incident?.incident_id ?? ""] ?? null);
  /** How far the unit has come with it; empty: it is not sent there. */
  progress = $derived(this.incident?.assignments.find((row) => row.unit_id === this.who?.unit)?.state ?? "");
  accepting = $derived(this.pressed.some(({ body }) => body.state === "acknowledged"));
  accepted = $derived(this.progress === "acknowledged" || (this.progress === "assigned" && this.accepting));
  route = $derived(this.#way && this.#way.incident === this.incident?.incident_id && this.progress !== "on_scene" ? this.#way.route : null);
  here = $derived<LonLat | null>(this.#here());
  /** Who else comes or is there, soonest first. */
  others = $derived(
    (this.ranking?.assigned ?? [])
      .filter((row) => row.unit_id !== this.who?.unit)
      .sort((a, b) => Number(b.state === "on_scene") - Number(a.state === "on_scene") || (a.eta_s ?? Infinity) - (b.eta_s ?? Infinity)),
  );
  eta_s = $derived(this.ranking?.assigned.find((row) => row.unit_id === this.who?.unit)?.eta_s ?? null);
  /** What desks said to this unit and nobody here has acknowledged: urgent ones first, then the oldest. */
  messages = $derived(
    Object.values(world.live.messages)
      .filter(({ message_id, recipients }) => recipients.some((one) => one.unit_id === this.who?.unit && !one.acknowledged_time) && !this.#says(message_id, "acknowledged"))
      .sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.sent_time.localeCompare(b.sent_time)),
  );
  /** The officer's own emergency that stands. */
  emergency = $derived(this.#emergency());
  /** Who was sent to it. */
  coming = $derived(
    (this.emergency?.assignments ?? [])
      .filter((row) => row.unit_id !== this.who?.unit && row.state in words.others.state)
      .map(({ unit_id, state }) => {
        const eta_s = world.rankings[this.emergency!.incident_id]?.assigned.find((one) => one.unit_id === unit_id)?.eta_s ?? null;
        return { callsign: world.callsign(unit_id), state, eta_s };
      }),
  );
  /** One that was pressed and that nobody has heard yet. */
  unheard = $derived(this.pressed.find((one) => one.urgent) ?? null);

  async begin(): Promise<void> {
    this.who = kept<Who>("who");
    if (this.who) this.#open(this.who);
    const code = codeIn(location.hash);
    // the address forgets the code at once: it is worth nothing to whoever reads it later
    if (location.hash) history.replaceState(null, "", location.pathname);
    chime.listen();
    // whoever was in sees at once what is known, and can call for help, whatever the server says later
    if (this.who) this.phase = "in";
    if (this.who && !code) this.#connect();
    addEventListener("online", () => void this.#pump());
    addEventListener("pagehide", () => this.#keep(true));
    setInterval(() => this.#tick(), 1_000);
    await this.#enter(code);
  }

  /** A code that was typed or pasted, where no camera opens this page. */
  type(text: string): void {
    const code = codeIn(text);
    this.trouble = "";
    if (code) void this.#enter(code);
    else this.trouble = words.door.noCode;
  }

  /** Asks until the server has said who this is; a phone without a link goes on with what it knew. */
  async #enter(code: string | undefined): Promise<void> {
    for (;;) {
      try {
        let session = await api.session(); // a former page's word is needed to begin anew
        if (code) session = await api.openUnitPage(code);
        this.#is(session);
        if (session.speaker === null && this.phase === "asking") this.phase = "out";
        return;
      } catch (error) {
        if (error instanceof Problem && !error.unsure && error.status < 500 && error.status !== 429) {
          this.trouble = code ? words.door.badCode : error.message;
          if (!this.who) this.phase = "out";
          if (!code) return;
          code = undefined; // whoever was in stays in
          continue;
        }
        this.trouble = words.door.noLink;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  #is(session: Session): void {
    const unit = session.speaker?.unit_ids[0];
    if (!unit) {
      this.phase = this.who ? "over" : "out";
      if (this.who) share.stop();
      return;
    }
    this.trouble = "";
    const device = session.speaker!.said_by.replace(/^device:/, "");
    const who = { unit, callsign: session.speaker!.name || unit, device };
    if (this.who?.unit !== unit) this.#open(who);
    this.who = who;
    keep("who", who);
    this.phase = "in";
    this.#connect();
    void this.#pump();
  }

  #open(who: Who): void {
    this.#box = new Outbox(who.unit, kept<Held>("held"));
    const known = kept<{ unit: string; told: Told }>("told");
    if (!this.#live) world.live = known?.unit === who.unit ? known.told : nothing();
    this.#way = kept<Way>("way");
    this.#show();
  }

  #connect(): void {
    if (this.#connected) return;
    this.#connected = true;
    share.begin((fix) => this.#locate(fix));
    world.connect(
      {
        heard: () => undefined,
        linked: (link) => link === "live" && void this.#pump(),
        refused: () => void this.#look(),
      },
      FEED,
    );
  }

  /** Whether this phone is still in. */
  async #look(): Promise<boolean> {
    try {
      this.#is(await api.session());
      return true;
    } catch {
      return false; // asked again with the next thing that is said
    }
  }

  async leave(): Promise<void> {
    try {
      await api.signOut();
    } catch {
      return void (this.said = words.door.noLink);
    }
    share.stop();
    for (const name of ["who", "held", "told", "way"]) keep(name, null);
    await forgetTiles().catch(() => undefined);
    location.reload();
  }

  // ---- what is said

  #locate(fix: Fix): void {
    this.#box.locate(fix);
    this.#show();
    void this.#pump();
  }

  #press(what: string, kind: Pressed["kind"], body: Record<string, unknown>, more: Partial<Pressed> = {}): void {
    this.#box.press({ id: newId("p"), kind, of: "", body, pressedMs: Date.now(), what, urgent: false, dated: false, ...more });
    this.said = "";
    this.#show();
    this.#keep(true);
    void this.#pump();
  }

  status(status: string): void {
    this.#press(words.status[status] ?? status, "status", { status }, { dated: true });
  }

  accept(): void {
    this.#press(words.accept, "progress", { state: "acknowledged" }, { of: this.incident!.incident_id, dated: true });
  }

  /** A message was shown here, or its crew says that they know. */
  answer(message: DeskMessage, state: "shown" | "acknowledged"): void {
    const what = state === "shown" ? "" : words.message.answer(message.text);
    this.#press(what, "message", { unit_id: this.who!.unit, state }, { of: message.message_id });
  }

  backup(mode: "immediate" | "delayed", units: number): void {
    const at = this.here;
    const what = words.backup.asked(units, mode);
    const body = { mode, units, request_id: newId("b"), note: words.backup.note(this.who!.callsign, what), ...(at ? { lon: at[0], lat: at[1] } : {}) };
    this.#press(what, "backup", body);
  }

  declare(): void {
    navigator.vibrate?.([200, 100, 200]);
    const at = share.here;
    const body = { unit_id: this.who!.unit, emergency_id: newId("e"), source: "phone", ...(at ? { lon: at[1], lat: at[2] } : {}) };
    this.#press(words.emergency.title, "emergency", body, { urgent: true });
  }

  /** The danger is over, by the unit's word. */
  async clear(word: string): Promise<string> {
    try {
      await api.clearEmergency(this.emergency!.incident_id, { by: "unit", word });
      return "";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #pump(): Promise<void> {
    if (this.#sending || this.phase !== "in") return;
    this.#sending = true;
    clearTimeout(this.#again);
    let calm = false;
    try {
      for (let parcel = this.#box.next(); parcel; parcel = this.#box.next(calm)) {
        const became = await this.#send(parcel);
        if (became === "later") break;
        if (became === "refused") {
          calm = true; // it is tried again, and keeps nothing else back
          continue;
        }
        this.#box.sent(parcel);
        this.#show();
        if ("pressed" in parcel) this.#keep(true);
      }
    } finally {
      this.#sending = false;
      if (this.#box.next()) this.#again = setTimeout(() => void this.#pump(), this.unheard ? URGENT_AGAIN_MS : AGAIN_MS);
    }
  }

  /** `done`: it need not be said again. `refused`: an emergency that the server does not take now. */
  async #send(parcel: Parcel): Promise<"done" | "later" | "refused"> {
    try {
      if ("fixes" in parcel) await api.report(parcel.fixes.map((fix) => this.#row(fix)), this.unheard ? URGENT_WITHIN_MS : WITHIN_MS);
      else {
        await this.#tell(parcel.pressed);
        this.said = "";
      }
      this.#looked = false;
      return "done";
    } catch (error) {
      const urgent = "pressed" in parcel && parcel.pressed.urgent;
      if (!(error instanceof Problem) || error.unsure || error.status >= 500 || error.status === 429) return "later";
      if (error.status === 401 || (error.status === 403 && !this.#looked)) {
        this.#looked = await this.#look(); // the page's word may be another one, or the session over
        return "later";
      }
      this.#looked = false;
      if (urgent) return "refused"; // never given up
      if ("pressed" in parcel) this.said = words.refused(parcel.pressed.what, error.message);
      return "done";
    }
  }

  #tell({ kind, of, body, dated, pressedMs }: Pressed): Promise<unknown> {
    const unit = this.who!.unit;
    const said = dated ? { ...body, at: this.#time(pressedMs) } : body;
    switch (kind) {
      case "emergency": return api.cry(said, URGENT_WITHIN_MS);
      case "status": return api.sayStatus(unit, said, WITHIN_MS);
      case "progress": return api.sayProgress(of, unit, said, WITHIN_MS);
      case "message": return api.answer(of, said, WITHIN_MS);
      case "backup": return api.callBackup(unit, said, WITHIN_MS);
    }
  }

  /** By the server's clock, where this phone's is wrong. */
  #time(ms: number): string {
    const off = this.#live && world.link === "live" ? world.clock.live() - Date.now() : 0;
    return new Date(Math.abs(off) > CLOCK_MS ? ms + off : ms).toISOString();
  }

  #row([ms, lon, lat, speed_mps, course_deg, accuracy_m]: Fix): Record<string, unknown> {
    const { unit, device } = this.who!;
    return { unit_id: unit, device_id: device, fix_time: this.#time(ms), lon, lat, speed_mps, course_deg, accuracy_m };
  }

  #show(): void {
    this.pressed = this.#box.pressed;
    this.waiting = this.#box.waiting;
    this.#keep(false);
  }

  #says(message: string, state: string): boolean {
    return this.pressed.some(({ kind, of, body }) => kind === "message" && of === message && body.state === state);
  }

  /** Tells the desk, once, that a message was seen to be there. */
  seen(message: DeskMessage): void {
    const shown = message.recipients.some((one) => one.unit_id === this.who?.unit && one.shown_time);
    if (!shown && !this.#says(message.message_id, "shown")) this.answer(message, "shown");
  }

  // ---- what is known

  #mine(): Incident | null {
    const on = world.incidentOf[this.unit?.incident_id ?? ""];
    return on ?? world.incidents.find((one) => one.for_unit_id === this.who?.unit && one.state === "open") ?? null;
  }

  #emergency(): Incident | null {
    return world.incidents.find((one) => one.for_unit_id === this.who?.unit && one.emergency?.stands) ?? null;
  }

  #here(): LonLat | null {
    if (share.here) return [share.here[1], share.here[2]];
    const told = world.positions[this.who?.unit ?? ""];
    return told ? [told[0], told[1]] : null;
  }

  #tick(): void {
    this.nowMs = Date.now();
    void this.#pump();
    void this.#ask();
    this.#keep(false);
  }

  /** The way there, anew as the unit moves. */
  async #ask(): Promise<void> {
    const { incident, here } = this;
    if (!incident || !here || this.progress === "on_scene" || incident.for_unit_id === this.who?.unit) {
      this.#routed = null;
      return;
    }
    const before = this.#routed?.incident === incident.incident_id ? this.#routed : null;
    if (world.link !== "live" || (before && (Date.now() - before.ms < ROUTE_MS || metres(before.at, here) < ROUTE_M))) return;
    this.#routed = { at: here, incident: incident.incident_id, ms: Date.now() };
    try {
      this.#way = { incident: incident.incident_id, route: await api.route(incident.incident_id, this.who!.unit) };
    } catch {
      this.#routed.ms = Date.now(); // the last one stands
    }
  }

  #keep(now: boolean): void {
    if (!this.who || (!now && Date.now() - this.#keptMs < KEEP_MS)) return;
    this.#keptMs = Date.now();
    keep("held", this.#box.held);
    if (!this.#live) return;
    keep("told", { unit: this.who.unit, told: knownOf(world.live, this.who.unit) });
    keep("way", this.route && this.#way);
  }
}

export const officer = new Officer();
