/** Where the mark of something stands that lies beyond the edge of what can be seen. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The place itself when it lies in the box; else the nearest place in it, and the way on from there, clockwise from up. */
export function toEdge(x: number, y: number, box: Box): { x: number; y: number; beyond_deg: number | null } {
  const at = { x: Math.min(Math.max(x, box.left), box.right), y: Math.min(Math.max(y, box.top), box.bottom) };
  if (at.x === x && at.y === y) return { x, y, beyond_deg: null };
  return { ...at, beyond_deg: (Math.atan2(x - at.x, at.y - y) * 180) / Math.PI };
}
