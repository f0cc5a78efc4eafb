/** An order to the server as it would be typed: whoever clicks learns the command. Pure; `read` understands each of them. */
import { links, statuses, verbs, type Name } from "../words/commands";
import { typeable } from "./commands";

export interface Names {
  callsign: (unit: string) => string;
  tag: (incident: string) => string;
}

type Body = Record<string, unknown>;
const verb = (name: Name): string => verbs[name][0][0] ?? "";
const part = (path: string, n: number): string => decodeURIComponent(path.split("?")[0]!.split("/")[n] ?? "");

/** Empty: nothing that is typed does this. */
export function typed(method: string, path: string, sent: unknown, { callsign, tag }: Names): string {
  const body = (sent ?? {}) as Body;
  const [kind, id, what, unit] = [part(path, 2), part(path, 3), part(path, 4), part(path, 5)];
  const who = (of: unknown) => typeable(callsign(String(of)));
  const to = links.to[0]!;
  if (kind === "incidents" && method === "POST") {
    if (!id) return [verb("new"), body["place"] ?? `${body["lat"]}, ${body["lon"]}`, body["kind"]].filter(Boolean).join(" ");
    if (what === "assignments" && body["replaces"]) return `${verb("replace")} ${who(body["replaces"])} ${links.by[0]} ${who(body["unit_id"])} ${tag(id)}`;
    if (what === "assignments") return `${verb("send")} ${who(body["unit_id"])} ${to} ${tag(id)}`;
    if (what === "notes") return `${verb("note")} ${tag(id)} …`;
    if (what === "close") return `${verb("end")} ${tag(id)}`;
    if (what === "reopen") return `${verb("reopen")} ${tag(id)}`;
    if (what === "backup") return body["mode"] === "strategic" ? `${verb("planned")} 60 ${tag(id)}` : `${verb(body["mode"] === "delayed" ? "delayed" : "backup")} ${tag(id)}`;
  }
  if (kind === "incidents" && method === "PATCH") {
    if (what === "assignments") return body["state"] === "cancelled" ? `${verb("release")} ${who(unit)}` : `${who(unit)} ${statuses[String(body["state"])]?.[0] ?? ""}`;
    for (const name of ["priority", "level", "kind", "callback", "note"] as const) {
      if (!(name in body)) continue;
      const numbered = name === "priority" || name === "level";
      return numbered ? `${verb(name)} ${body[name]} ${tag(id)}` : `${verb(name)} ${tag(id)} ${name === "kind" ? body[name] : "…"}`;
    }
  }
  if (kind === "units" && what === "status") return `${who(id)} ${statuses[String(body["status"])]?.[0] ?? ""}`;
  if (kind === "messages" && !id) {
    const named = (body["unit_ids"] as string[] | undefined)?.map(who).join(" ");
    return `${verb(body["urgent"] ? "urgent" : "message")} ${named ?? (body["incident_id"] ? tag(String(body["incident_id"])) : links.all[0])} …`;
  }
  if (kind === "timers") return verb("ok");
  if (kind === "emergencies" && !id) return `${verb("emergency")} ${who(body["unit_id"])}`;
  if (kind === "emergencies" && what === "acknowledge") return verb("ack");
  return "";
}
