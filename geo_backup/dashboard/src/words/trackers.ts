/** What a desk is told of trackers, in English. */
import type { Device } from "../wire";

const FLAGS: Record<string, (device: Device) => string> = {
  address_changed: ({ address }) => `speaks from another address (${address})`,
  twin: () => "two trackers speak with this name",
  clock_ahead: ({ clock_behind_s }) => `its clock is ${lasting(-(clock_behind_s ?? 0))} ahead`,
  clock_behind: ({ clock_behind_s }) => `its clock is ${lasting(clock_behind_s ?? 0)} behind`,
};

const lasting = (s: number): string => (s < 120 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);

export const trackers = {
  title: "Trackers",
  show: "Trackers: what came in and was not used",
  odd: "To look at",
  flag: (name: string, device: Device) => FLAGS[name]?.(device) ?? name,
  noneOdd: (devices: number) => (devices ? `None of ${devices}.` : "No tracker has spoken yet."),
  aside: (total: number) => `Not used: ${total}`,
  unnamed: "(without a name)",
  leave: "Done",
};
