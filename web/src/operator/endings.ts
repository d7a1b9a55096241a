/** How to read why sessions ended in the last hour. */

import type { Endings } from "./api";

export const MINUTES = 60;

/** How an ending is to be read. */
export type Verdict = "meant" | "line" | "fault";

export const VERDICTS: readonly Verdict[] = ["meant", "line", "fault"];

/** What somebody or a limit meant. What is in neither set is a fault: of the server, or a client. */
const MEANT = new Set([
  "ended",
  "going_away",
  "service_restart",
  "idle",
  "time_is_up",
  "ended_by_operator",
  "session_taken_over",
]);

/** What is a network's doing, as a rule. */
const LINE = new Set(["abnormal", "session_gone", "peer_silent", "peer_too_slow", "resync"]);

/** Tell how to read the name of a close code. */
export function verdictOn(reason: string): Verdict {
  if (MEANT.has(reason)) return "meant";
  return LINE.has(reason) ? "line" : "fault";
}

/** How many sessions ended in a minute. */
export type Bin = Readonly<Record<Verdict, number>>;

/** A reason, and how many sessions ended for it. */
export interface Reason {
  name: string;
  verdict: Verdict;
  count: number;
}

/** The last hour, added up. */
export interface Hour {
  /** The oldest minute first; the last one is under way. */
  bins: readonly Bin[];
  /** The most frequent first. */
  reasons: readonly Reason[];
  total: number;
}

/** Add up the last hour. */
export function hourOf(endings: Endings): Hour {
  const bins = Array.from({ length: MINUTES }, () => ({ meant: 0, line: 0, fault: 0 }));
  const counts = new Map<string, number>();
  for (const { minutes_ago, reasons } of endings.minutes) {
    for (const [reason, count] of Object.entries(reasons)) {
      const bin = bins[MINUTES - 1 - minutes_ago];
      if (bin === undefined) continue;
      bin[verdictOn(reason)] += count;
      counts.set(reason, (counts.get(reason) ?? 0) + count);
    }
  }
  const reasons = [...counts]
    .map(([name, count]) => ({ name, verdict: verdictOn(name), count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return { bins, reasons, total: reasons.reduce((sum, { count }) => sum + count, 0) };
}
