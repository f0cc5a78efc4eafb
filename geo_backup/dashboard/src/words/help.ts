/** The words of the help: every key, and the marks on the map. */
export const help = {
  title: "Help",
  keys: [
    ["Incidents", [
      ["n", "new incident: the place, what it is, what was said"],
      ["Ctrl+Enter", "open it and ask for backup; then send the recommended units, or the best one"],
      ["j / k or ↓ / ↑", "next, former incident"],
      ["f", "go to the kind of the incident: Enter changes it"],
      ["i", "go to the note: Enter adds what is written"],
      ["r", "how far one gets in 2, 5 and 10 minutes"],
      ["x", "close the incident, or keep it"],
    ]],
    ["Backup", [
      ["b / d / l", "go to backup at once / when units are free / planned: Enter asks"],
      ["1 – 9", "go to the n-th unit of the ranking (↓ ↑ go on): Enter sends it"],
      ["u", "go to the recommended units: Enter sends them"],
      ["w", "why these units"],
      ["o", "go to the offered swap, another unit in place of one on its way: Enter takes it"],
    ]],
    ["Emergencies", [
      ["a", "acknowledge an officer's emergency, the one that is shown first"],
      ["Ctrl+.", "the same from anywhere, while you type too: what is written stays"],
      ["!", "declare an emergency of the chosen unit, or leave it"],
    ]],
    ["Overdue", [
      ["y", "you have seen to the loud one that is shown first, else to that of what is chosen"],
      ["z", "go to what is overdue, one after the other"],
    ]],
    ["Units", [
      ["q", "the list of units: type to filter, ↓ ↑ choose, Enter stays with the unit"],
      ["m", "status of the chosen unit: then its letter"],
      ["h", "the last hour of the chosen unit, on the map"],
    ]],
    ["Roads and cover", [
      ["c", "closure across a road: Space sets a point at the crosshair, Ctrl+Enter finishes"],
      ["g", "closure of an area"],
      ["e", "closure of streets that are picked one by one: Space picks at the crosshair"],
      ["v", "cover of the area: which calls a free unit would reach in time, and whom to move"],
      ["p", "plans: Space sets a post at the crosshair"],
    ]],
    ["What happened", [
      [",", "look back: the whole page as it was; ← → step, with Shift by a minute, Space plays; / back 14:05 goes to a time"],
      [".", "back to live"],
      [";", "what happened in the chosen incident, with times and who said it; / closed robbery finds a finished one"],
    ]],
    ["The page", [
      ["/", "the command line, from an empty field too: what is typed is listed beneath"],
      ["Ctrl+z", "take back what was just done"],
      ["Esc", "one step back"],
      ["t", "light or dark"],
      ["?", "this help"],
    ]],
  ] as [group: string, keys: [key: string, what: string][]][],
  marksTitle: "Marks on the map",
  services: { police: "police", fire: "fire", ems: "EMS", dog: "dog", supervisor: "supervisor", other: "other" },
  closed: "Closures",
  clicks: "A click chooses or lets go; the other button, or a finger that stays, begins a new incident",
  marks:
    "The small arrow is the direction of travel. A grey ring: the last position is some time old. Faded and dashed: old, confirm by radio. " +
    "Hollow: lost. Faded with a name that says so, at the edge if need be: off the map.",
  close: "Close",
};
