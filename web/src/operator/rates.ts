/** How much crosses the line of each session in a second, from differences between polls. */

import type { SessionInfo, Traffic } from "./api";
import { Recent } from "./windows";

/** What crosses in one direction, in a second. */
export interface Rate {
  messages: number;
  bytes: number;
}

/** Both directions; null where there was one poll only. */
export interface Rates {
  received: Rate | null;
  sent: Rate | null;
}

/** Speech comes in bursts: a rate over less jumps with every word. */
export const RATE_SPAN_MS = 10_000;

interface Look {
  received: Traffic;
  sent: Traffic;
}

/** The sessions of the last poll. */
export class SessionRates {
  #looks = new Map<string, Recent<Look>>();

  /** Look at the sessions again, and forget those that are not among them. */
  look(at: number, sessions: readonly SessionInfo[]): Map<string, Rates> {
    const looks = new Map<string, Recent<Look>>();
    const rates = new Map<string, Rates>();
    for (const { id, received, sent } of sessions) {
      const recent = this.#looks.get(id) ?? new Recent<Look>(RATE_SPAN_MS);
      recent.add(at, { received, sent });
      looks.set(id, recent);
      rates.set(id, { received: rateOf(recent, "received"), sent: rateOf(recent, "sent") });
    }
    this.#looks = looks;
    return rates;
  }
}

function rateOf(recent: Recent<Look>, way: keyof Look): Rate | null {
  const [first, last] = [recent.items[0], recent.items.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return null;
  const seconds = (last.at - first.at) / 1000;
  const [before, now] = [first.value[way], last.value[way]];
  return {
    messages: Math.max(0, now.messages - before.messages) / seconds,
    bytes: Math.max(0, now.size_bytes - before.size_bytes) / seconds,
  };
}
