/** Units and incidents drawn on a canvas above the map: shape and colour tell the status, outline and fading the age of the fix. */
import type { Freshness } from "./types";

/** Okabe and Ito's colours, told apart by colour-blind eyes too; each has a shape of its own as well. */
export type Shape = "circle" | "triangle" | "square" | "diamond" | "cross";
export interface Look {
  colour: string;
  shape: Shape;
}

const FREE: Look = { colour: "#009E73", shape: "circle" };
const MOVING: Look = { colour: "#E69F00", shape: "triangle" };
const SCENE: Look = { colour: "#0072B2", shape: "square" };
const BUSY: Look = { colour: "#CC79A7", shape: "diamond" };
const OUT: Look = { colour: "#8a8f96", shape: "cross" };

const LOOKS: Record<string, Look> = {
  available: FREE, on_station: FREE, returning: FREE, en_route: MOVING, staging: MOVING, on_scene: SCENE,
  transporting: BUSY, busy: BUSY, limited: BUSY, out_of_service: OUT,
};

export const LEGEND: [string, Look][] = [["free", FREE], ["en route", MOVING], ["on scene", SCENE], ["busy", BUSY], ["out of service", OUT]];
export const lookOf = (status: string): Look => LOOKS[status] ?? BUSY;

function outline(context: CanvasRenderingContext2D, shape: Shape, r: number): void {
  context.beginPath();
  if (shape === "circle") context.arc(0, 0, r, 0, 2 * Math.PI);
  else if (shape === "square") context.rect(-r * 0.9, -r * 0.9, r * 1.8, r * 1.8);
  else {
    const corners: [number, number][] =
      shape === "triangle" ? [[0, -1.2], [1.1, 0.85], [-1.1, 0.85]]
      : shape === "diamond" ? [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]
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
  label: string | null;
  chosen: boolean;
}

export function drawUnit(context: CanvasRenderingContext2D, mark: UnitMark, dark: boolean): void {
  const { x, y, look, freshness, course } = mark;
  const r = mark.chosen ? 9 : 7;
  const edge = dark ? "#0b0e11" : "#ffffff";
  context.save();
  context.translate(x, y);
  context.globalAlpha = freshness === "stale" ? 0.5 : 1;
  if (mark.chosen) {
    context.beginPath();
    context.arc(0, 0, r + 7, 0, 2 * Math.PI);
    context.lineWidth = 2.5;
    context.strokeStyle = dark ? "#ffffff" : "#111111";
    context.stroke();
  }
  if (freshness === "delayed" || freshness === "stale") {
    context.beginPath();
    context.arc(0, 0, r + 4, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = "#8a8f96";
    context.setLineDash(freshness === "stale" ? [3, 3] : []);
    context.stroke();
    context.setLineDash([]);
  }
  if (course !== null && freshness !== "lost") {
    context.save();
    context.rotate((course * Math.PI) / 180);
    context.beginPath();
    context.moveTo(0, -r - 8);
    context.lineTo(4.5, -r - 1.5);
    context.lineTo(-4.5, -r - 1.5);
    context.closePath();
    context.lineWidth = 2;
    context.strokeStyle = edge;
    context.stroke();
    context.fillStyle = look.colour;
    context.fill();
    context.restore();
  }
  outline(context, look.shape, r);
  context.lineJoin = "round";
  context.lineWidth = freshness === "lost" ? 2 : 3;
  context.strokeStyle = freshness === "lost" ? look.colour : edge;
  context.stroke();
  if (freshness !== "lost") {
    context.fillStyle = look.colour;
    context.fill();
  }
  if (mark.label) drawText(context, mark.label, 0, r + 6, dark);
  context.restore();
}

function drawText(context: CanvasRenderingContext2D, text: string, x: number, y: number, dark: boolean): void {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "top";
  context.lineWidth = 3;
  context.strokeStyle = dark ? "#0b0e11d0" : "#ffffffe0";
  context.strokeText(text, x, y);
  context.fillStyle = dark ? "#e8ebee" : "#1c2126";
  context.fillText(text, x, y);
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
