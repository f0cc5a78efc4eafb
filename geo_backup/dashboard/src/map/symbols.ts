/** What is drawn for units and incidents: shape tells the service, colour and an inner sign the status, fading the age of the fix. */
import type { Freshness, Unit } from "../wire";
import type { ClosureKind } from "../world/readings";

/** A status at a glance. The sign inside tells it to who tells no colours. */
export type Sign = "none" | "cry" | "ring" | "dot" | "bar" | "slash";
export interface Look {
  colour: string;
  /** The same on a dark ground. */
  onDark: string;
  sign: Sign;
}

/** After Okabe and Ito, whose colours are told apart by colour-blind eyes too; they differ in lightness as well. */
export const LEGEND = ["danger", "free", "moving", "scene", "busy", "out"] as const;
export type LookName = (typeof LEGEND)[number];
export const LOOKS: Record<LookName, Look> = {
  danger: { colour: "#c4002b", onDark: "#ff5a74", sign: "cry" },
  free: { colour: "#008a66", onDark: "#12b083", sign: "none" },
  moving: { colour: "#f0a400", onDark: "#f7b52b", sign: "ring" },
  scene: { colour: "#0067b1", onDark: "#58b2f4", sign: "dot" },
  busy: { colour: "#b8558f", onDark: "#e48fc2", sign: "bar" },
  out: { colour: "#7d848b", onDark: "#8e979f", sign: "slash" },
};

const OF_STATUS: Record<string, LookName> = {
  available: "free", on_station: "free", returning: "free", en_route: "moving", staging: "moving", on_scene: "scene",
  assigned: "moving", acknowledged: "moving", in_danger: "danger",
  transporting: "busy", busy: "busy", limited: "busy", out_of_service: "out",
};
export const lookNamed = (status: string): LookName => OF_STATUS[status] ?? "busy";
export const lookOf = (status: string): Look => LOOKS[lookNamed(status)];

/** What a unit is, told by its outline alone at 14 pixels. */
export const SERVICES = ["police", "fire", "ems", "dog", "supervisor", "other"] as const;
export type Service = (typeof SERVICES)[number];

/** Outlines in a square of 16: shield, flame, cross, a head with ears, star, disc. */
export const SHAPES: Record<Service, string> = {
  police: "M8 .9L14.2 2.6V7.6C14.2 11.4 11.6 14 8 15.3C4.4 14 1.8 11.4 1.8 7.6V2.6Z",
  fire: "M8.6 .3C9 3.6 14 5.6 14 10.2A6 5.6 0 0 1 2 10.2C2 7.7 3.1 6.2 4.1 5C4.4 6.3 5 6.9 5.8 6.9C6.4 4.6 6.6 2 8.6 .3Z",
  ems: "M5.4 1H10.6V5.4H15V10.6H10.6V15H5.4V10.6H1V5.4H5.4Z",
  dog: "M1.6 .4L6 4.2H10L14.4 .4V9.2C14.4 12.7 11.3 15.4 8 15.4C4.7 15.4 1.6 12.7 1.6 9.2Z",
  supervisor: "M8 .2L10.1 5.2L15.6 5.6L11.4 9.2L12.7 14.6L8 11.7L3.3 14.6L4.6 9.2L.4 5.6L5.9 5.2Z",
  other: "M8 1.6A6.4 6.4 0 1 0 8 14.4A6.4 6.4 0 1 0 8 1.6Z",
};

/** Signs inside of an outline or round it, in the same square. */
export const SIGNS: Record<Sign, string> = {
  none: "",
  cry: "M7 3.4H9L8.7 9.2H7.3ZM7 10.4H9V12.4H7Z",
  ring: "M8 -1.4A9.4 9.4 0 1 0 8 17.4A9.4 9.4 0 1 0 8 -1.4Z",
  dot: "M8 5.5A2.5 2.5 0 1 0 8 10.5A2.5 2.5 0 1 0 8 5.5Z",
  bar: "M4.6 7H11.4V9.6H4.6Z",
  slash: "M2.5 12L12 2.5L13.5 4L4 13.5Z",
};

const DOG = /\b(k-?9|dogs?|canine)\b/i;
const SUPERVISOR = /\b(supervisor|sergeant|sgt|chief|commander|duty officer)\b/i;

/** Dogs and supervisors by what they are and can do, all others by the discipline that the server tells. */
export function serviceOf(unit: Pick<Unit, "kind" | "capabilities" | "discipline"> | undefined): Service {
  if (!unit) return "other";
  const { kind, capabilities, discipline } = unit;
  const words = [kind, ...capabilities].join(" ").replaceAll("_", " ");
  return DOG.test(words) ? "dog" : SUPERVISOR.test(words) ? "supervisor" : discipline || "other";
}

/** From red to grey, and from dark to light: priority 1 to 5. */
export const PRIORITIES: Record<number, { ground: string; text: string }> = {
  1: { ground: "#b00020", text: "#ffffff" },
  2: { ground: "#cf4a0c", text: "#ffffff" },
  3: { ground: "#f2b134", text: "#241a00" },
  4: { ground: "#c9c3a8", text: "#24221a" },
  5: { ground: "#9aa3ab", text: "#15191d" },
};
export const PRACTICE = { ground: "#e69f00", text: "#1a1a00" };
export const ALARM = { ground: "#ffd23f", text: "#1a1a00", ring: "#c4002b" };

/** Closures by colour, and by dashes for who tells no colours; `dashes` in line widths. */
export const CLOSURE_LOOKS: Record<ClosureKind, { colour: string; dashes: [number, number] | null }> = {
  closed: { colour: "#D55E00", dashes: null },
  routine: { colour: "#E69F00", dashes: [2.4, 1] },
  slow: { colour: "#CC79A7", dashes: [0.9, 0.7] },
  idle: { colour: "#8a8f96", dashes: [0.4, 1.2] },
};

/** Where at most so many free units are near; each lies on those before it. */
export const COVER_LOOKS: Record<3 | 2 | 1 | 0, { colour: string; opacity: number }> = {
  3: { colour: "#2b7bba", opacity: 0.1 },
  2: { colour: "#f3dca0", opacity: 0.35 },
  1: { colour: "#eda848", opacity: 0.35 },
  0: { colour: "#d55e00", opacity: 0.3 },
};

type Context = CanvasRenderingContext2D;
export interface Theme {
  dark: boolean;
  /** What letters are drawn in, and how large they are against the page's usual size. */
  font: string;
  scale: number;
}

export interface UnitMark {
  x: number;
  y: number;
  look: LookName;
  service: Service;
  freshness: Freshness;
  course: number | null;
  chosen: boolean;
  assigned: boolean;
  /** An officer in danger. */
  alarmed: boolean;
  /** Beyond the map that the server knows. */
  offMap: boolean;
  /** Where its place cannot be seen: the way there from the edge at which it is drawn, clockwise from up. */
  beyond_deg: number | null;
}

/** Each distinct picture is painted once: a thousand units are then a thousand copies, not ten thousand strokes. */
export class Symbols {
  readonly #sprites = new Map<string, HTMLCanvasElement>();
  readonly #outlines = Object.fromEntries(Object.entries({ ...SHAPES, ...SIGNS }).map(([name, d]) => [name, new Path2D(d)])) as Record<Service | Sign, Path2D>;
  #theme: Theme;

  /** `inMemory`: the machine draws without a graphics card, where copies from its memory cost least. */
  constructor(readonly inMemory: boolean, theme: Theme) {
    this.#theme = theme;
  }

  theme(theme: Theme): void {
    this.#theme = theme;
    this.#sprites.clear();
  }

  get font(): string {
    return `600 ${11.5 * this.#theme.scale}px ${this.#theme.font}`;
  }

  #stamp(context: Context, x: number, y: number, key: string, width: number, height: number, paint: (context: Context) => void): void {
    const ratio = devicePixelRatio || 1;
    const name = `${key} ${ratio}`;
    let sprite = this.#sprites.get(name);
    if (!sprite) {
      if (this.#sprites.size > 5000) this.#sprites.clear();
      sprite = document.createElement("canvas");
      sprite.width = Math.ceil(width * ratio);
      sprite.height = Math.ceil(height * ratio);
      const inside = sprite.getContext("2d", { willReadFrequently: this.inMemory })!;
      inside.scale(ratio, ratio);
      inside.translate(width / 2, height / 2);
      paint(inside);
      this.#sprites.set(name, sprite);
    }
    // On whole pixels, so that a copy is not blurred.
    const at = (value: number) => Math.round(value * ratio) / ratio;
    context.drawImage(sprite, at(x - width / 2), at(y - height / 2), sprite.width / ratio, sprite.height / ratio);
  }

  unit(context: Context, mark: UnitMark): void {
    const { x, y, look, service, freshness, course, chosen, assigned, alarmed, offMap, beyond_deg } = mark;
    const { dark } = this.#theme;
    const faded = freshness === "stale" || freshness === "lost" || offMap;
    const colour = faded ? (dark ? "#7f8890" : "#8a9299") : this.#colour(look);
    const arrow = beyond_deg ?? (faded ? null : course);
    if (arrow !== null) {
      context.save();
      context.translate(x, y);
      context.rotate((arrow * Math.PI) / 180);
      this.#stamp(context, 0, 0, `arrow ${colour} ${assigned} ${chosen}`, 56, 56, (paint) => paintArrow(paint, colour, assigned || chosen ? 14 : 9, this.#edge));
      context.restore();
    }
    const hollow = freshness === "lost" || offMap;
    this.#stamp(context, x, y, `unit ${service} ${look} ${freshness} ${chosen} ${assigned} ${alarmed} ${offMap}`, 56, 56, (paint) => {
      if (chosen) disc(paint, 19, dark ? "#ffffff30" : "#00000018", dark ? "#ffffff" : "#11161b", 2.5);
      if (alarmed) disc(paint, 16, `${ALARM.ring}55`, ALARM.ring, 3);
      else if (assigned) disc(paint, 13, `${colour}55`, colour, 1.5);
      paint.scale(chosen ? 1.15 : 1, chosen ? 1.15 : 1);
      paint.globalAlpha = freshness === "delayed" ? 0.8 : 1;
      paint.translate(-8, -8);
      paint.lineJoin = "round";
      paint.strokeStyle = this.#edge;
      paint.lineWidth = 3;
      paint.stroke(this.#outlines[service]);
      paint.fillStyle = hollow ? this.#edge : colour;
      paint.fill(this.#outlines[service]);
      if (hollow) {
        paint.strokeStyle = colour;
        paint.lineWidth = 1.8;
        if (freshness === "lost") paint.setLineDash([3, 2]);
        paint.stroke(this.#outlines[service]);
      } else if (look !== "moving") {
        paint.fillStyle = this.#edge;
        paint.fill(this.#outlines[LOOKS[look].sign]);
      }
    });
  }

  /** So many free units near each other, seen from far away. */
  cluster(context: Context, x: number, y: number, count: number): void {
    const r = 11 + Math.min(9, Math.sqrt(count));
    this.#stamp(context, x, y, `cluster ${count}`, 2 * r + 8, 2 * r + 8, (paint) => {
      disc(paint, r, this.#theme.dark ? "#0f3d31f0" : "#dff1eaf0", this.#colour("free"), 2);
      this.#letters(paint, String(count), 0, 0, this.#theme.dark ? "#d9f5ea" : "#00513c", "600 11.5");
    });
  }

  /** How wide and high the label of a unit is. */
  size(context: Context, text: string, pill: boolean): [width: number, height: number] {
    context.font = this.font;
    const { scale } = this.#theme;
    return [context.measureText(text).width + (pill ? 12 : 4) * scale, (pill ? 18 : 14) * scale];
  }

  /** With its middle at the place: a pill where the unit has a task, else bare letters. */
  label(context: Context, x: number, y: number, text: string, style: LookName | "plain" | "alarm" | "chosen" | "practice", size: readonly [number, number]): void {
    const { dark } = this.#theme;
    const [width, height] = size;
    this.#stamp(context, x, y, `label ${text} ${style}`, width + 8, height + 8, (paint) => {
      if (style === "plain") return this.#letters(paint, text, 0, 0, dark ? "#c3cbd2" : "#39424a", "500 11.5", dark ? "#0b0e11d8" : "#ffffffe8");
      const colour = style === "practice" ? PRACTICE.text : style === "alarm" ? ALARM.ring : style === "chosen" ? (dark ? "#ffffff" : "#11161b") : this.#colour(style);
      paint.beginPath();
      paint.roundRect(-width / 2, -height / 2, width, height, height / 2);
      paint.fillStyle = style === "practice" ? PRACTICE.ground : style === "alarm" ? ALARM.ground : style === "chosen" ? colour : dark ? "#171b20" : "#ffffff";
      paint.fill();
      paint.lineWidth = 2;
      paint.strokeStyle = colour;
      paint.stroke();
      this.#letters(paint, text, 0, 0, style === "practice" ? PRACTICE.text : style === "alarm" ? ALARM.text : style === "chosen" ? (dark ? "#11161b" : "#ffffff") : dark ? "#eef1f4" : "#15191d", "650 11.5");
    });
  }

  incident(context: Context, x: number, y: number, incident: { priority: number; text: string; chosen: boolean; alarm: "none" | "stands" | "sounds"; exercise: boolean; beat: boolean }): void {
    const { priority, text, chosen, alarm, exercise, beat } = incident;
    const { dark } = this.#theme;
    const { ground, text: letters } = PRIORITIES[priority] ?? PRIORITIES[5]!;
    if (alarm !== "none") return this.#emergency(context, x, y, chosen, alarm === "sounds", beat);
    const r = (chosen ? 15 : 12.5) - Math.max(0, priority - 2) * 0.8;
    this.#stamp(context, x, y, `incident ${priority} ${text} ${chosen} ${exercise}`, 84, 84, (paint) => {
      if (chosen) disc(paint, r + 12, `${ground}2e`, dark ? "#ffffff" : "#11161b", 2);
      paint.rotate(Math.PI / 4);
      paint.beginPath();
      paint.roundRect(-r * 0.8, -r * 0.8, r * 1.6, r * 1.6, 3);
      paint.rotate(-Math.PI / 4);
      paint.lineWidth = 5;
      paint.strokeStyle = dark ? "#0b0e11" : "#ffffff";
      paint.stroke();
      paint.lineWidth = 2;
      paint.strokeStyle = dark ? "#ffffffb0" : "#00000090";
      paint.stroke();
      paint.fillStyle = exercise ? this.#edge : ground;
      paint.fill();
      if (exercise) {
        // hollow and dashed: there is nobody
        paint.setLineDash([4, 3]);
        paint.lineWidth = 3;
        paint.strokeStyle = ground;
        paint.stroke();
      }
      this.#letters(paint, text, 0, 0.5, exercise ? (dark ? "#eef1f4" : "#15191d") : letters, chosen ? "750 14" : "750 12.5");
    });
  }

  /** Like nothing else on the map: the triangle of the banner in rings that beat. */
  #emergency(context: Context, x: number, y: number, chosen: boolean, sounds: boolean, beat: boolean): void {
    this.#stamp(context, x, y, `emergency ${chosen} ${sounds} ${beat}`, 116, 116, (paint) => {
      if (sounds) disc(paint, beat ? 46 : 36, `${ALARM.ring}22`, `${ALARM.ring}${beat ? "80" : "b0"}`, 3);
      disc(paint, 26, `${ALARM.ring}${sounds ? "60" : "30"}`, ALARM.ring, 4);
      if (chosen) disc(paint, 31, "transparent", this.#theme.dark ? "#ffffff" : "#11161b", 2);
      paint.beginPath();
      paint.moveTo(0, -19);
      paint.lineTo(18, 13);
      paint.lineTo(-18, 13);
      paint.closePath();
      paint.lineJoin = "round";
      paint.lineWidth = 6;
      paint.strokeStyle = ALARM.text;
      paint.stroke();
      paint.fillStyle = ALARM.ground;
      paint.fill();
      this.#letters(paint, "!", 0, 2, ALARM.text, "900 22");
    });
  }

  #colour(look: LookName): string {
    return this.#theme.dark ? LOOKS[look].onDark : LOOKS[look].colour;
  }

  get #edge(): string {
    return this.#theme.dark ? "#0b0e11" : "#ffffff";
  }

  #letters(context: Context, text: string, x: number, y: number, colour: string, weightAndSize: string, halo?: string): void {
    const [weight, size] = weightAndSize.split(" ");
    context.font = `${weight} ${Number(size) * this.#theme.scale}px ${this.#theme.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    if (halo) {
      context.lineWidth = 3;
      context.strokeStyle = halo;
      context.strokeText(text, x, y);
    }
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }
}

function disc(context: Context, r: number, fill: string, stroke: string, width: number): void {
  context.beginPath();
  context.arc(0, 0, r, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = width;
  context.strokeStyle = stroke;
  context.stroke();
}

function paintArrow(context: Context, colour: string, r: number, edge: string): void {
  context.beginPath();
  context.moveTo(0, -r - 6.5);
  context.lineTo(4.5, -r);
  context.lineTo(-4.5, -r);
  context.closePath();
  context.lineWidth = 2;
  context.strokeStyle = edge;
  context.stroke();
  context.fillStyle = colour;
  context.fill();
}
