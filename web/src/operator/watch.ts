/** What the page knows of the server, polled; the one place that changes it. */

import { NO_FILTERS, Server } from "./api";
import type { Answer, Endings, Filters, Problem, Readiness, ServerInfo, SessionPage } from "./api";
import type { Row } from "./order";
import { MetricsWatch } from "./figures";
import type { Figures } from "./figures";
import { SessionRates } from "./rates";

export const POLL_MS = 2000;
export const PAGE_SIZE = 100;

/** Where the page stands. */
export type Phase =
  | { name: "asking"; problem: Problem }
  | { name: "live" }
  | { name: "gone"; since: number; problem: Problem | null };

/** What is shown; it is replaced, never changed. */
export interface View {
  phase: Phase;
  paused: boolean;
  /** When the last poll was answered; null before the first. */
  seenAt: number | null;
  page: SessionPage | null;
  rows: readonly Row[];
  /** Null as long as the metrics cannot be read. */
  figures: Figures | null;
  readiness: Readiness | null;
  endings: Endings | null;
  info: ServerInfo | null;
  filters: Filters;
  /** The cursors of the pages before this one; null is the first page's. */
  cursors: readonly (string | null)[];
}

const NOTHING: View = {
  phase: { name: "live" },
  paused: false,
  seenAt: null,
  page: null,
  rows: [],
  figures: null,
  readiness: null,
  endings: null,
  info: null,
  filters: NO_FILTERS,
  cursors: [null],
};

/** Watches one server with one token, from `start` to `stop`. */
export class Watch {
  readonly server: Server;
  readonly #show: (view: View) => void;
  #metrics = new MetricsWatch();
  #rates = new SessionRates();
  #view: View = NOTHING;
  #timer: number | undefined;
  #polling = false;
  #again = false;
  #stopped = false;

  /** Prepare; `show` is called with every change. */
  constructor(token: string, show: (view: View) => void) {
    this.server = new Server(token);
    this.#show = show;
  }

  /** Begin to poll. */
  start(): void {
    this.#show(this.#view);
    void this.poll();
  }

  /** Poll no more, and show nothing of what is still under way. */
  stop(): void {
    this.#stopped = true;
    window.clearTimeout(this.#timer);
  }

  /** Hold the page still, or carry on. */
  pause(paused: boolean): void {
    this.#change({ paused });
    if (!paused) void this.poll();
  }

  /** List other sessions. */
  filter(filters: Filters): void {
    this.#change({ filters, cursors: [null] });
    void this.poll();
  }

  /** Go to the next page, or back to the one before. */
  turn(way: "next" | "previous"): void {
    const { cursors, page } = this.#view;
    if (way === "previous" && cursors.length > 1) this.#change({ cursors: cursors.slice(0, -1) });
    if (way === "next" && page?.next) this.#change({ cursors: [...cursors, page.next] });
    void this.poll();
  }

  /** Ask now: one poll at a time, and another one behind it if something was changed meanwhile. */
  async poll(): Promise<void> {
    if (this.#polling) {
      this.#again = true;
      return;
    }
    window.clearTimeout(this.#timer);
    this.#polling = true;
    await this.#askUntilNothingChanged();
    this.#polling = false;
    if (!this.#stopped && !this.#view.paused && this.#view.phase.name !== "asking") {
      this.#timer = window.setTimeout(() => void this.poll(), POLL_MS);
    }
  }

  async #askUntilNothingChanged(): Promise<void> {
    this.#again = true;
    while (this.#takeAgain() && !this.#stopped) await this.#ask();
  }

  #takeAgain(): boolean {
    const again = this.#again;
    this.#again = false;
    return again;
  }

  async #ask(): Promise<void> {
    const { filters, cursors } = this.#view;
    const sessions = await this.server.sessions(filters, PAGE_SIZE, cursors.at(-1) ?? null);
    if (sessions.kind !== "ok") {
      this.#turnedAway(sessions);
      return;
    }
    const [metrics, readiness, endings, info] = await Promise.all([
      this.server.metrics(),
      this.server.readiness(),
      this.server.endings(),
      this.server.info(),
    ]);
    // A filter that was changed meanwhile has its own poll behind this one.
    if (filters !== this.#view.filters || cursors !== this.#view.cursors) return;
    const page = sessions.value;
    if (page.sessions.length === 0 && cursors.length > 1) {
      this.#again = true; // what was on it has ended: there is a page before
      this.#change({ cursors: cursors.slice(0, -1) });
      return;
    }
    const at = performance.now();
    this.#change({
      phase: { name: "live" },
      seenAt: Date.now(),
      page,
      rows: this.#rows(at, page),
      figures: metrics.kind === "ok" ? this.#figures(at, metrics.value, page.waiting) : null,
      readiness: valueOf(readiness),
      endings: valueOf(endings),
      info: valueOf(info),
    });
  }

  #rows(at: number, page: SessionPage): Row[] {
    const rates = this.#rates.look(at, page.sessions);
    return page.sessions.map((info) => ({
      info,
      rates: rates.get(info.id) ?? { received: null, sent: null },
    }));
  }

  #figures(at: number, text: string, waiting: number): Figures | null {
    try {
      return this.#metrics.look(at, text, waiting);
    } catch {
      return null; // the page says that they cannot be read
    }
  }

  #turnedAway(answer: Exclude<Answer<never>, { kind: "ok" }>): void {
    const problem = answer.kind === "refused" ? answer.problem : null;
    if (problem !== null && (problem.status === 401 || problem.status === 403)) {
      // Nothing of what an administrator saw is left for somebody without the rights.
      this.#view = { ...NOTHING, phase: { name: "asking", problem } };
      this.#change({});
      return;
    }
    const { phase } = this.#view;
    const since = phase.name === "gone" ? phase.since : Date.now();
    this.#change({ phase: { name: "gone", since, problem } });
  }

  #change(change: Partial<View>): void {
    this.#view = { ...this.#view, ...change };
    if (!this.#stopped) this.#show(this.#view);
  }
}

function valueOf<T>(answer: Answer<T>): T | null {
  return answer.kind === "ok" ? answer.value : null;
}
