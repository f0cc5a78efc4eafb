/** What a slip of the thumb must not do takes two taps: the second counts only after a while, and not too late. Pure. */
export const NOT_BEFORE_MS = 600;
export const NOT_AFTER_MS = 4_000;

/** Whether a tap does it, where another one has begun it at `begunMs`; null: none has. */
export function sure(begunMs: number | null, nowMs: number): "begins" | "too soon" | "does" {
  if (begunMs === null || nowMs - begunMs > NOT_AFTER_MS) return "begins";
  return nowMs - begunMs < NOT_BEFORE_MS ? "too soon" : "does";
}
