/** The figures on top, from `/metrics`. */

import { STATES } from "./api";
import type { SessionState } from "./api";
import { Counters, grownBy, valueOf, valuesBy } from "./counters";
import type { Increment } from "./counters";
import { parse } from "./exposition";
import type { Sample } from "./exposition";
import { Recent, RecentHistogram } from "./windows";
import type { Quantile } from "./windows";

/** What the small charts show. */
export const HISTORY_MS = 300_000;
/** A loop's lateness is looked for now; answers come seldom. */
const LAG_MS = 60_000;
const ANSWERS_MS = 300_000;
const TRAFFIC_MS = 10_000;

/** A number at a time; null where there was nothing to measure. */
export interface Point {
  at: number;
  value: number | null;
}

/** What the charts are called. */
export type Line = "sessions" | "waiting" | "refused" | "lag" | "answer" | "received" | "sent";

/** What crosses all lines in a second; null before there are two looks. */
export interface Flow {
  messages: number;
  bytes: number;
}

/** Who was turned away. */
export interface Refused {
  recent: number;
  sinceStart: readonly (readonly [string, number])[];
}

export interface Figures {
  assistants: readonly string[];
  sessions: number;
  limit: number | null;
  byState: Readonly<Record<SessionState, number>>;
  refused: Refused;
  lag: { median: Quantile | null; high: Quantile | null };
  answer: { median: Quantile | null; high: Quantile | null; count: number };
  received: Flow | null;
  sent: Flow | null;
  lines: Readonly<Record<Line, readonly Point[]>>;
}

/** Follows the metrics of one server. */
export class MetricsWatch {
  readonly #counters = new Counters();
  readonly #lag = new RecentHistogram("trunkline_event_loop_lag_seconds", LAG_MS);
  readonly #answers = new RecentHistogram("trunkline_first_answer_seconds", ANSWERS_MS);
  readonly #traffic = new Recent<readonly Increment[]>(TRAFFIC_MS);
  readonly #refusals = new Recent<number>(HISTORY_MS);
  readonly #lines: Record<Line, Recent<number | null>> = lines();

  /**
   * Look at the metrics again; how many callers wait is not among them.
   *
   * Throws an ExpositionError for what is not Prometheus's text.
   */
  look(at: number, text: string, waiting: number): Figures {
    const samples = parse(text);
    const increments = this.#counters.look(samples);
    this.#lag.add(at, increments);
    this.#answers.add(at, increments);
    this.#traffic.add(at, increments);
    const refused = sum(grownBy(increments, "trunkline_admissions_refused_total", "reason"));
    this.#refusals.add(at, refused);
    const figures = this.#read(samples);
    this.#lines.waiting.add(at, waiting);
    this.#draw(at, figures, refused);
    return { ...figures, lines: this.#drawn() };
  }

  #read(samples: readonly Sample[]): Omit<Figures, "lines"> {
    const states = valuesBy(samples, "trunkline_sessions", "state");
    return {
      assistants: [...valuesBy(samples, "trunkline_sessions", "assistant").keys()].sort(),
      sessions: sum(states),
      limit: valueOf(samples, "trunkline_sessions_limit"),
      byState: byState(states),
      refused: {
        recent: this.#refusals.values.reduce((total, count) => total + count, 0),
        sinceStart: ranked(valuesBy(samples, "trunkline_admissions_refused_total", "reason")),
      },
      lag: { median: this.#lag.quantile(0.5), high: this.#lag.quantile(0.99) },
      answer: {
        median: this.#answers.quantile(0.5),
        high: this.#answers.quantile(0.95),
        count: this.#answers.count,
      },
      received: this.#flow("in"),
      sent: this.#flow("out"),
    };
  }

  #flow(direction: string): Flow | null {
    const [first, ...looks] = this.#traffic.items;
    const last = looks.at(-1);
    if (first === undefined || last === undefined) return null;
    const seconds = (last.at - first.at) / 1000;
    const per = (name: string) =>
      looks
        .map(({ value }) => grownBy(value, name, "direction").get(direction) ?? 0)
        .reduce((total, count) => total + count, 0) / seconds;
    return {
      messages: per("trunkline_messages_total"),
      bytes: per("trunkline_message_bytes_total"),
    };
  }

  #draw(at: number, figures: Omit<Figures, "lines">, refused: number): void {
    this.#lines.sessions.add(at, figures.sessions);
    this.#lines.refused.add(at, refused);
    this.#lines.lag.add(at, figures.lag.high?.seconds ?? null);
    this.#lines.answer.add(at, figures.answer.median?.seconds ?? null);
    this.#lines.received.add(at, figures.received?.messages ?? null);
    this.#lines.sent.add(at, figures.sent?.messages ?? null);
  }

  #drawn(): Record<Line, readonly Point[]> {
    const entries = Object.entries(this.#lines).map(([line, recent]) => [line, recent.items]);
    return Object.fromEntries(entries) as Record<Line, readonly Point[]>;
  }
}

function lines(): Record<Line, Recent<number | null>> {
  const line = () => new Recent<number | null>(HISTORY_MS);
  return {
    sessions: line(),
    waiting: line(),
    refused: line(),
    lag: line(),
    answer: line(),
    received: line(),
    sent: line(),
  };
}

function byState(states: ReadonlyMap<string, number>): Record<SessionState, number> {
  const entries = STATES.map((state) => [state, states.get(state) ?? 0]);
  return Object.fromEntries(entries) as Record<SessionState, number>;
}

function ranked(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts]
    .filter(([, count]) => count > 0)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
