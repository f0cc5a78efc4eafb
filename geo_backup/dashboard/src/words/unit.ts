/** The officer's page, in English. */
import { counted } from "./english";
import { minutesSeconds } from "./numbers";

const distance = (metres: number) => (metres < 995 ? `${Math.max(10, Math.round(metres / 10) * 10)} m` : `${(metres / 1000).toFixed(1)} km`);

const state: Record<string, string> = { assigned: "sent", acknowledged: "sent", en_route: "on the way", staging: "waits near", on_scene: "there", transporting: "transports" };
const does: Record<string, string> = { ...state, staging: "waiting near", transporting: "transporting" };
const comes = (row: { callsign: string; state: string; eta_s: number | null }) => {
  const when = row.state === "on_scene" ? "" : row.eta_s === null ? ", time not known" : `, in ${minutesSeconds(row.eta_s)}`;
  return `${row.callsign} is ${does[row.state] ?? row.state}${when}.`;
};

export const words = {
  title: (callsign: string) => callsign,
  door: {
    title: "My unit",
    asking: "Asking the server\u2026",
    scan: "Ask the desk for the code of your unit, and scan it with this phone\u2019s camera.",
    paste: "Or paste the address that the code means",
    open: "Open",
    noCode: "This is no address of a code: it ends with #code= and letters.",
    badCode: "This code was used, or is older than ten minutes. Ask the desk for a new one.",
    noLink: "The server does not answer. This page tries again by itself.",
    over: "Your session is over: the shift has ended, or the desk has ended it. Scan a new code. Until then nothing reaches the desk from here: use the radio.",
    leave: "Sign out",
    sureEmergency: "Your emergency stands. Without this page you do not see who comes, and what is not sent yet is lost.",
    sureUnsent: "Something is not sent yet. It is lost if you sign out now.",
    leaveStill: "Sign out all the same",
    stay: "Stay signed in",
  },
  link: { connecting: "connecting\u2026", live: "connected", quiet: "no word", lost: "no link" },
  offline: "No link. What you press is kept and sent when the link is back. Use the radio for what is urgent.",
  sharing: {
    off: "Your position is not shared.",
    start: "Share my position",
    stop: "Stop sharing",
    asking: "Looking for your position\u2026",
    on: "Position shared",
    age: (seconds: number) => `Your position is ${minutesSeconds(seconds)} old: the phone has no newer one.`,
    denied: "This phone does not let the page know where it is. Allow it in the browser\u2019s settings of this page.",
    failing: "This phone does not know where it is.",
    insecure: "The position needs an https address. Ask whoever runs the server.",
  },
  waiting: (fixes: number) => `${fixes} ${fixes === 1 ? "position waits" : "positions wait"} to be sent`,
  pending: (what: string) => `Not sent yet: ${what}`,
  refused: (what: string, why: string) => `\u201c${what}\u201d was refused: ${why}`,

  news: "What to know now",
  message: {
    from: (by: string, time: string) => `${by}, ${time}`,
    urgent: "Urgent",
    understood: "Understood",
    answer: (text: string) => `understood \u201c${text.slice(0, 30)}\u201d`,
    silent: "Tap anywhere to hear it.",
  },
  centre: "Where I am",
  whole: "The whole way",
  noMap: "This phone cannot draw the map.",

  statuses: "My status",
  now: (status: string) => `Now: ${status}`,
  status: {
    available: "Available",
    on_station: "At post",
    returning: "Returning",
    en_route: "En route",
    staging: "Waiting near",
    on_scene: "On scene",
    transporting: "Transporting",
    busy: "Busy",
    limited: "Limited",
    out_of_service: "Out of service",
  } as Record<string, string>,
  accept: "Accept",
  accepted: "Accepted",
  /** Beneath a button that takes the unit off its incident. */
  clear: "Clear",
  sure: "Tap again to leave",

  incident: {
    none: "No incident",
    mine: "My incident",
    title: (priority: number, kind: string) => `P${priority} ${kind || "incident"}`,
    exercise: "EXERCISE",
    noPlace: "Place by the map",
    notes: "Notes",
    eta: (seconds: number) => `${minutesSeconds(seconds)} away`,
    following: "It follows where you are.",
  },
  way: {
    title: "The way",
    next: (metres: number, instruction: string) => `In ${distance(metres)}: ${instruction}`,
    last: (metres: number) => `${distance(metres)} to go`,
    all: (steps: number) => `All ${steps} turns`,
    none: "No way is known.",
  },
  others: {
    title: "Also there",
    none: "Nobody else is sent.",
    eta: (seconds: number) => `${minutesSeconds(seconds)} away`,
    state,
  },
  backup: {
    button: "Backup",
    title: "Ask for backup",
    units: "How many units",
    fewer: "One fewer",
    more: "One more",
    immediate: "At once, with siren",
    delayed: "Soon, who is free",
    leave: "Not now",
    note: (callsign: string, what: string) => `${callsign} asks for ${what}`,
    asked: (units: number, mode: string) => `backup of ${counted(units, "unit", "units")} ${mode === "immediate" ? "at once" : "soon"}`,
  },
  emergency: {
    title: "Emergency",
    hold: "Hold for help",
    holding: "Keep holding\u2026",
    how: "Hold this button for one and a half seconds. The desk is alarmed, and sees where you are.",
    short: "Held too short: nothing was sent.",
    slid: "Your finger slid off the button: nothing was sent.",
    sending: "Calling for help\u2026",
    unheard: "NOT HEARD YET. There is no link. USE THE RADIO. It is sent at once when the link is back.",
    unheardOver: "NOT HEARD. This phone is signed out. USE THE RADIO.",
    /** Who has answered, and who comes: never more than is known. */
    standing: (seen: { by: string; time: string } | null, coming: readonly { callsign: string; state: string; eta_s: number | null }[]) => {
      const by = seen && `Seen by ${seen.by} at ${seen.time}`;
      if (!coming.length) return by ? `${by}; nobody is sent yet.` : "The desk is alarmed. Nobody has answered yet.";
      return [...coming.map(comes), ...(by ? [`${by}.`] : [])].join(" ");
    },
    over: "The danger is over",
    word: "Your unit\u2019s word",
    end: "End the emergency",
  },
};
