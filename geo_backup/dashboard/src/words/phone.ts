/** How a desk lets an officer's phone in, in English. */
import { counted } from "./english";

const all = (phones: number) => counted(phones, "phone", "phones");

export const phone = {
  button: "Phone",
  title: (callsign: string) => `A phone for ${callsign}`,
  picture: "The code to scan",
  how: "Let the officer scan this with the phone\u2019s camera, and open the address. It works once.",
  until: (left_s: number) => `Holds for ${Math.floor(left_s / 60)}:${String(left_s % 60).padStart(2, "0")}.`,
  here: "Open it in this browser",
  another: "Another code",
  count: (phones: number) => (phones ? `${all(phones)} in, until the shift ends.` : "No phone is in."),
  end: (phones: number) => `End ${all(phones)}`,
  endReally: (phones: number, callsign: string) => `End ${all(phones)} of ${callsign}?`,
  endLoss: (callsign: string, phones: number, danger: boolean) =>
    `${danger ? `${callsign} is in danger. ` : ""}${phones === 1 ? "It sends" : "They send"} no position, no button and no word for ${callsign} any more; a new code is needed to come in again.`,
  leave: "Done",
  loopback: "A phone cannot open this address: it means the phone itself. Open the desk by the server\u2019s name first, with https.",
  insecure: "Phones share their position with https addresses only. Open the desk by https first.",
};
