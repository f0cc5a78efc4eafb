/** Units and incidents drawn on a canvas above the map: shape and colour tell the status, outline and fading the age of the fix. */
import type { Freshness } from "../wire";
import type { ClosureKind } from "../world/readings";

/** Okabe and Ito's colours, told apart by colour-blind eyes too; each has a shape of its own as well. */
export type Shape = "circle" | "triangle" | "square" | "diamond" | "cross" | "octagon";
export interface Look {
  colour: string;
  shape: Shape;
}

export const LEGEND = ["danger", "free", "moving", "scene", "busy", "out"] as const;
type LookName = (typeof LEGEND)[number];
export const LOOKS: Record<LookName, Look> = {
  danger: { colour: "#C2002F", shape: "octagon" },
  free: { colour: "#009E73", shape: "circle" },
  moving: { colour: "#E69F00", shape: "triangle" },
  scene: { colour: "#0072B2", shape: "square" },
  busy: { colour: "#CC79A7", shape: "diamond" },
  out: { colour: "#8a8f96", shape: "cross" },
};

const OF_STATUS: Record<string, LookName> = {
  available: "free", on_station: "free", returning: "free", en_route: "moving", staging: "moving", on_scene: "scene",
  assigned: "moving", acknowledged: "moving", in_danger: "danger",
  transporting: "busy", busy: "busy", limited: "busy", out_of_service: "out",
};
export const lookOf = (status: string): Look => LOOKS[OF_STATUS[status] ?? "busy"];

/** Closures by colour, and by dashes for who tells no colours; `dashes` in line widths. */
export const CLOSURE_LOOKS: Record<ClosureKind, { colour: string; dashes: [number, number] | null }> = {
  closed: { colour: "#D55E00", dashes: null },
  routine: { colour: "#E69F00", dashes: [2.4, 1] },
  slow: { colour: "#CC79A7", dashes: [0.9, 0.7] },
  idle: { colour: "#8a8f96", dashes: [0.4, 1.2] },
};

const OCTAGON = Array.from({ length: 8 }, (_, n): [number, number] => [1.15 * Math.cos(((n + 0.5) * Math.PI) / 4), 1.15 * Math.sin(((n + 0.5) * Math.PI) / 4)]);

function outline(context: CanvasRenderingContext2D, shape: Shape, r: number): void {
  context.beginPath();
  if (shape === "circle") context.arc(0, 0, r, 0, 2 * Math.PI);
  else if (shape === "square") context.rect(-r * 0.9, -r * 0.9, r * 1.8, r * 1.8);
  else {
    const corners: [number, number][] =
      shape === "triangle" ? [[0, -1.2], [1.1, 0.85], [-1.1, 0.85]]
      : shape === "diamond" ? [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]
      : shape === "octagon" ? OCTAGON
      : [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35], [-1, -0.35], [-0.35, -0.35]];
    for (const [x, y] of corners) context.lineTo(x * r, y * r);
    context.closePath();
  }
}

export interface UnitMark {
  x: number;
  y: number;
  look: Look;
  freshness: Freshness;
  course: number | null;
  chosen: boolean;
  /** Beyond the map that the server knows. */
  offMap: boolean;
  /** Where its place cannot be seen: the way there from the edge at which it is drawn, clockwise from up. */
  beyond_deg: number | null;
}

type Context = CanvasRenderingContext2D;

/** Each distinct picture is painted once: a thousand units are then a thousand copies, not ten thousand strokes. */
const sprites = new Map<string, HTMLCanvasElement>();

function stamp(context: Context, key: string, width: number, height: number, paint: (context: Context) => void): void {
  const ratio = devicePixelRatio || 1;
  const name = `${key} ${ratio}`;
  let sprite = sprites.get(name);
  if (!sprite) {
    if (sprites.size > 5000) sprites.clear();
    sprite = document.createElement("canvas");
    sprite.width = Math.ceil(width * ratio);
    sprite.height = Math.ceil(height * ratio);
    const inside = sprite.getContext("2d")!;
    inside.scale(ratio, ratio);
    inside.translate(width / 2, height / 2);
    paint(inside);
    sprites.set(name, sprite);
  }
  context.drawImage(sprite, -width / 2, -height / 2, width, height);
}

export function drawUnit(context: Context, mark: UnitMark, dark: boolean): void {
  const { x, y, look, freshness, course, chosen, offMap, beyond_deg } = mark;
  const r = chosen ? 9 : 7;
  const edge = dark ? "#0b0e11" : "#ffffff";
  context.save();
  context.translate(x, y);
  if (freshness === "stale" || offMap) context.globalAlpha = 0.5;
  const arrow = beyond_deg ?? (freshness === "lost" ? null : course);
  if (arrow !== null) {
    context.save();
    context.rotate((arrow * Math.PI) / 180);
    stamp(context, `arrow ${look.colour} ${r} ${dark}`, 40, 40, (paint) => paintArrow(paint, look.colour, r, edge));
    context.restore();
  }
  stamp(context, `unit ${look.shape} ${freshness} ${chosen} ${dark}`, 44, 44, (paint) => {
    if (chosen) ring(paint, r + 7, 2.5, dark ? "#ffffff" : "#111111", []);
    if (freshness === "delayed" || freshness === "stale") ring(paint, r + 4, 2, "#8a8f96", freshness === "stale" ? [3, 3] : []);
    outline(paint, look.shape, r);
    paint.lineJoin = "round";
    paint.lineWidth = freshness === "lost" ? 2 : 3;
    paint.strokeStyle = freshness === "lost" ? look.colour : edge;
    paint.stroke();
    paint.fillStyle = look.colour;
    if (freshness !== "lost") paint.fill();
  });
  context.restore();
}

/** Labels come after all marks, so that no neighbour covers them. */
export function drawLabel(context: Context, x: number, y: number, label: string, dark: boolean): void {
  context.save();
  context.translate(x, y + 20);
  stamp(context, `label ${label} ${dark}`, 8 * label.length + 10, 18, (paint) => paintLabel(paint, label, dark));
  context.restore();
}

function ring(context: Context, r: number, width: number, colour: string, dash: number[]): void {
  context.beginPath();
  context.arc(0, 0, r, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function paintArrow(context: Context, colour: string, r: number, edge: string): void {
  context.beginPath();
  context.moveTo(0, -r - 8);
  context.lineTo(4.5, -r - 1.5);
  context.lineTo(-4.5, -r - 1.5);
  context.closePath();
  context.lineWidth = 2;
  context.strokeStyle = edge;
  context.stroke();
  context.fillStyle = colour;
  context.fill();
}

function paintLabel(context: Context, text: string, dark: boolean): void {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = dark ? "#0b0e11d0" : "#ffffffe0";
  context.strokeText(text, 0, 0);
  context.fillStyle = dark ? "#e8ebee" : "#1c2126";
  context.fillText(text, 0, 0);
}

export function drawIncident(context: CanvasRenderingContext2D, x: number, y: number, priority: string, chosen: boolean, dark: boolean): void {
  const r = chosen ? 15 : 12;
  context.save();
  context.translate(x, y);
  if (chosen) {
    context.beginPath();
    context.arc(0, 0, r + 10, 0, 2 * Math.PI);
    context.fillStyle = "#D55E0038";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#D55E00";
    context.stroke();
  }
  context.rotate(Math.PI / 4);
  context.beginPath();
  context.roundRect(-r * 0.8, -r * 0.8, r * 1.6, r * 1.6, 3);
  context.rotate(-Math.PI / 4);
  context.lineWidth = 3;
  context.strokeStyle = dark ? "#0b0e11" : "#ffffff";
  context.stroke();
  context.fillStyle = "#D55E00";
  context.fill();
  context.font = `700 ${chosen ? 14 : 12}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = "#ffffff";
  context.fillText(priority, 0, 0.5);
  context.restore();
}

/** An officer in danger, as nothing else looks: spikes round the officer, who stays to be seen, and a flag above. */
export function drawEmergency(context: Context, x: number, y: number, label: string, chosen: boolean, sounds: boolean, dark: boolean): void {
  const r = chosen ? 24 : 20;
  const { colour } = LOOKS.danger;
  context.save();
  context.translate(x, y);
  context.lineJoin = "round";
  for (const [width, stroke] of [[9, dark ? "#0b0e11" : "#ffffff"], [5, colour], [1.5, sounds ? "#ffd23f" : colour]] as const) {
    context.beginPath();
    for (let n = 0; n < 32; n++) {
      const far = n % 2 ? r : r + 6;
      context.lineTo(far * Math.cos((n * Math.PI) / 16), far * Math.sin((n * Math.PI) / 16));
    }
    context.closePath();
    context.lineWidth = width;
    context.strokeStyle = stroke;
    context.stroke();
  }
  context.font = "800 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const half = context.measureText(label).width / 2 + 8;
  const up = -r - 20;
  context.beginPath();
  context.roundRect(-half, up - 10, 2 * half, 20, 4);
  context.fillStyle = sounds ? "#ffd23f" : colour;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = sounds ? colour : "#ffffff";
  context.stroke();
  context.fillStyle = sounds ? "#3a000d" : "#ffffff";
  context.fillText(label, 0, up + 0.5);
  context.restore();
}
